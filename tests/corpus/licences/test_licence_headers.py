import pytest

from multipl_moe.corpus.licences.licence_headers import header_licence

GPL = """/* This program is free software; you can redistribute it and/or modify
 * it under the terms of the GNU {kind}General Public License as published by
 * the Free Software Foundation; {version}
 * This program is distributed in the hope that it will be useful.
 */
int x;
"""
CLASSPATH = """/*
 * This code is free software; you can redistribute it and/or modify it
 * under the terms of the GNU General Public License version 2 only, as
 * published by the Free Software Foundation.  Oracle designates this
 * particular file as subject to the "Classpath" exception as provided
 * by Oracle in the LICENSE file that accompanied this code.
 */
package java.lang;
"""
BSD = """# Redistribution and use in source and binary forms, with or without
# modification, are permitted provided that the following conditions are met:
# 1. Redistributions of source code must retain the above copyright notice.
{more}
x = 1
"""
MIT = """/*
  Permission is hereby granted, free of charge, to any person obtaining a copy
  of this software and associated documentation files (the "Software"), to deal
*/
int x;
"""
LATER = "either version {0} of the License, or\n * (at your option) any later version."

HEADERS = {
    "// SPDX-License-Identifier: MIT\nint x;\n": "MIT",
    "// SPDX-License-Identifier: (MIT OR GPL-2.0+)\nint x;\n": "MIT OR GPL-2.0-or-later",
    "# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC OR 0BSD\nx = 1\n": "MIT AND (ISC OR 0BSD)",
    "// SPDX-License-Identifier: LicenseRef-own\n": "LicenseRef-own",
    GPL.format(kind="", version=LATER.format(2)): "GPL-2.0-or-later",
    GPL.format(kind="", version=LATER.format(3)): "GPL-3.0-or-later",
    GPL.format(kind="", version="version 2 of the License."): "GPL-2.0-only",
    GPL.format(kind="Lesser ", version=LATER.format("2.1")): "LGPL-2.1-or-later",
    GPL.format(kind="Affero ", version="version 3."): "AGPL-3.0-only",
    "# Licensed under the GPLv3 or later.\nx = 1\n": "GPL-3.0-or-later",
    CLASSPATH: "GPL-2.0-only WITH Classpath-exception-2.0",
    BSD.format(more="# 2. Redistributions in binary form must reproduce it."): "BSD-2-Clause",
    BSD.format(more="# 3. Neither the name of the author nor others may be used."): "BSD-3-Clause",
    MIT: "MIT",
    "// Licensed under the Apache License, Version 2.0 (the \"License\");\nint x;\n": "Apache-2.0",
    "// Licensed under the Apache License, Version 2.0 <LICENSE-APACHE or\n// a page> or the MIT license\n"
    "// <LICENSE-MIT>, at your option.\nfn x() {}\n": "Apache-2.0 OR MIT",
    "// Distributed under the Boost Software License,\n// Version 1.0. (See it)\n#pragma once\n": "BSL-1.0",
    "/* Subject to the terms of the Mozilla Public\n * License, v. 2.0. */\nint x;\n": "MPL-2.0",
    "// Governed by a BSD-style\n// license that can be found in the LICENSE file.\npackage p\n": None,
    'LICENCES = {"gpl": "GNU General Public License version 2"}\n': None,
    'x = "SPDX-License-Identifier: GPL-2.0-only"\n': None,
    "/* Developed at SunPro, a Sun Microsystems, Inc. business.\n * Permission to use and so on.\n */\n": "SunPro",
    "# Asks for permission and redistributes.\nx = 1\n": None,
}  # fmt: skip

SHORT = {
    "# Released under the GPLv3.": "GPL-3.0-only",
    "# License: GPL-3.0": "GPL-3.0-only",
    "# License: LGPL": "LGPL-2.0-or-later",
    "/* Licensed under the GPL-2 or later. */": "GPL-2.0-or-later",
    "/* This code is licenced under the GPL version 2. */": "GPL-2.0-only",
    "# GPL 3": "GPL-3.0-only",
    "// LGPLv2.1+": "LGPL-2.1-or-later",
    "// AGPL-3.0": "AGPL-3.0-only",
    "// This program is under GNU GPL v2+": "GPL-2.0-or-later",
    "# Distributed under the GPL.": "GPL-1.0-or-later",
    "# License: Apache-2.0": "Apache-2.0",
    "# License: BSD-3-Clause": "BSD-3-Clause",
    "; Licence: MPL-2.0.": "MPL-2.0",
    "/* License: (MIT OR GPL-3.0-only) */": "MIT OR GPL-3.0-only",
    "# License: MIT License": "MIT",
    "/**\n * @license Apache-2.0\n */": "Apache-2.0",
    "# License: Apache 2.0": "Apache-2.0",
    "# License: MIT\n# Parts are under the GPLv2.": "MIT AND GPL-2.0-only",
    "# Plots like gplot 3 and gpl_2 do, with GPLOT-3.": None,
    "# Tested on BSD and Linux.": None,
    "# Compares the words of GPL and others.": None,
}  # fmt: skip
GNU_VERSIONS = {
    ("Frob, version 1.2, ", "either version 3 or any later"): "GPL-3.0-or-later",
    ("Frob, version 2.0, ", "either version 3 or any later"): "GPL-3.0-or-later",
    ("Under version 3 of ", "see there"): "GPL-3.0-only",
    ("Frob version 2.0, under version 3 of ", "see there"): "GPL-3.0-only",
    ("Frob, version 1.2, ", "see there"): "GPL-1.0-or-later",
    ("Frob, version 7, ", "version 5.1, or version 2"): "GPL-2.0-only",
}  # fmt: skip
CHANGES = """// Copyright 2019 The Cockroach Authors.
//
// Use of this software is governed by the Business Source License
// included in the file licenses/BSL.txt.
//
// As of the Change Date specified in that file, in accordance with
// the Business Source License, use of this software will be governed
// by the Apache License, Version 2.0, included in the file
// licenses/APL.txt.

package sql
"""
ELASTIC = """/*
 * Licensed to Elasticsearch B.V. under one or more contributor license agreements.
 * Licensed under the "Elastic License 2.0" and the "Server Side Public License, v 1"; you may not use this file except
 * in compliance with, at your election, the Elastic License 2.0 or the Server Side Public License, v 1.
 */
package x;
"""
RESTRICTED = {
    CHANGES: "BUSL-1.1",
    ELASTIC: "SSPL-1.0 OR Elastic-2.0",
    "// under the terms of the Server Side Public License, version 1, as published by MongoDB, Inc.\n": "SSPL-1.0",
    "// Licensed under the Apache License, Version 2.0 with the Commons\n// Clause.\n": "LicenseRef-Commons-Clause AND "
    "Apache-2.0",
    "# Creative Commons Attribution-NonCommercial-ShareAlike 3.0\n": "CC-BY-NC-SA-3.0",
    "# CC BY-NC-ND 4.0\n": "CC-BY-NC-ND-4.0",
    "# Under https://creativecommons.org/licenses/by-nc/2.0/\n": "CC-BY-NC-2.0",
    "# License: CC BY-NC\n": "CC-BY-NC-4.0",
}  # fmt: skip
OF_THEIR_OWN = (
    "// Proprietary and confidential; no licence is granted.",
    "// Copyright Foo. All rights reserved.\n// Unauthorized copying of this file is strictly prohibited.",
    "# CONFIDENTIAL. See the LICENSE file.",
    "# This file may not be copied or disclosed.",
    '/* Licensed under the Foo Community License (the "License"); you may not use\n * this file except in compliance '
    "with the License. See the License for\n * the specific language governing permissions. */",
    "// Use of this file is governed by the Foo Enterprise Licence, see LICENSE-FOO.",
    "// ORACLE PROPRIETARY. Use is subject to license terms.",
    "# License: Commercial",
    "# Permission to use, copy and change this is granted to members of our club.",
    "# LICENSED UNDER THE FOO LICENSE",
    "# Licensed under the FOO LICENSE.",
    "# Use is subject to the FOO LICENSE.",
)
AS_THE_REPOSITORY = (
    "// Copyright 2009 The Go Authors. All rights reserved.\n// Use of this source code is governed by a BSD-style\n"
    "// license that can be found in the LICENSE file.",
    "// Copyright 2020 Someone. All rights reserved.",
    "# Licensed under the terms in LICENSE.txt",
    "# License: see LICENSE",
    "// Use is governed by the licence in ../../LICENSE.",
    "# Licensed under the terms found in the file COPYING.",
    "# This file is distributed under the same license as the foo package.",
    "# Tells the terms under which words are shared.",
)


@pytest.mark.parametrize("text", SHORT)
def test_short_forms_are_understood(text):
    assert header_licence(f"{text}\nint x;\n") == SHORT[text]


@pytest.mark.parametrize("words", GNU_VERSIONS)
def test_a_programs_version_is_not_its_licences(words):
    before, behind = words
    header = f"/* {before}the GNU General Public License. Read it: {behind}. */\nint x;\n"
    assert header_licence(header) == GNU_VERSIONS[words]


@pytest.mark.parametrize("text", RESTRICTED)
def test_licences_that_restrict_are_not_taken_for_those_they_mention(text):
    assert header_licence(text) == RESTRICTED[text]


@pytest.mark.parametrize("text", OF_THEIR_OWN)
def test_headers_that_claim_or_refuse_a_licence_are_unknown(text):
    assert header_licence(f"{text}\nint x;\n") == "unknown"


@pytest.mark.parametrize("text", AS_THE_REPOSITORY)
def test_headers_that_refer_to_the_repositorys_licence_leave_it_to_that(text):
    assert header_licence(f"{text}\nint x;\n") is None


@pytest.mark.parametrize("text", HEADERS)
def test_the_licence_of_a_header_is_told(text):
    assert header_licence(text) == HEADERS[text]
