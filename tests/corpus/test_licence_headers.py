import pytest

from multipl_moe.corpus.licence_headers import header_licence

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
    "# Asks for permission and redistributes.\nx = 1\n": None,
}  # fmt: skip


@pytest.mark.parametrize("text", HEADERS)
def test_the_licence_of_a_header_is_told(text):
    assert header_licence(text) == HEADERS[text]
