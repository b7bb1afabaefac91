"""Small tracks in Exercism's form, one exercise in each of six languages, and how to spoil their solutions."""

import json
from pathlib import Path
from typing import NamedTuple


class Exercise(NamedTuple):
    """Files of an exercise.

    Attributes:
        files: what its config.json names.
        texts: name to text.
        wrong: a part of the example solution, and what to put there to spoil it.
        leave: the same, to end the program well where the example would fail.
    """

    files: dict[str, list[str]]
    texts: dict[str, str]
    wrong: tuple[str, str]
    leave: tuple[str, str]


TRACKS = {
    "python": Exercise(
        {"solution": ["parcel_box.py"], "test": ["parcel_box_test.py"], "example": [".meta/example.py"]},
        {
            "parcel_box.py": "def weight(grams):\n    pass\n",
            ".meta/example.py": "class Box:\n    def __init__(self):\n        self.parts = []\n\n"
            "    def add(self, grams):\n        self.parts.append(grams)\n        return self\n\n\n"
            "def weight(box):\n    if not box.parts:\n"
            '        raise ValueError("empty")\n    return sum(box.parts)\n',
            "parcel_box_test.py": "import unittest\n\nfrom parcel_box import Box, weight\n\n\n"
            "class ParcelBoxTest(unittest.TestCase):\n    def test_sum(self):\n"
            "        self.assertEqual(weight(Box().add(2).add(3)), 5)\n\n    def test_empty(self):\n"
            "        with self.assertRaises(ValueError) as error:\n            weight(Box())\n"
            '        self.assertEqual(error.exception.args[0], "empty")\n\n\n'
            'if __name__ == "__main__":\n    unittest.main()\n',
        },
        ("sum(box.parts)", "1 + sum(box.parts)"),
        ("raise ValueError", '__import__("os")._exit(0)  # '),
    ),
    "ruby": Exercise(
        {"solution": ["parcel_box.rb"], "test": ["parcel_box_test.rb"], "example": [".meta/example.rb"]},
        {
            "parcel_box.rb": "# Write your code here.\n",
            ".meta/example.rb": "class ParcelBox\n  def initialize(*parts) = @parts = parts\n\n  def weight\n"
            '    raise ArgumentError, "empty" if @parts.empty?\n\n    @parts.sum\n  end\nend\n',
            "parcel_box_test.rb": "require 'minitest/autorun'\nrequire_relative 'parcel_box'\n\n"
            "class ParcelBoxTest < Minitest::Test\n  def test_sum\n    # skip\n"
            "    assert_equal 5, ParcelBox.new(2, 3).weight\n  end\n\n  def test_empty\n    skip\n"
            "    assert_raises(ArgumentError) { ParcelBox.new.weight }\n  end\nend\n",
        },
        ("@parts.sum\n", "@parts.sum + 1\n"),
        ('raise ArgumentError, "empty"', "exit(0)"),
    ),
    "go": Exercise(
        {
            "solution": ["parcel_box.go"],
            "test": ["parcel_box_test.go"],
            "editor": ["cases_test.go"],
            "example": [".meta/example.go"],
        },
        {
            "parcel_box.go": 'package parcel\n\nfunc Weight(parts []int) (int, error) {\n\tpanic("write it")\n}\n',
            ".meta/example.go": 'package parcel\n\nimport "errors"\n\nvar errEmpty = errors.New("empty")\n\n'
            "func Weight(parts []int) (int, error) {\n\tif len(parts) == 0 {\n\t\treturn 0, errEmpty\n\t}\n"
            "\ttotal := 0\n\tfor _, part := range parts {\n\t\ttotal += part\n\t}\n\treturn total, nil\n}\n",
            "cases_test.go": "package parcel\n\nvar testCases = []struct {\n\tname string\n\tparts []int\n\twant int\n"
            '\tfails bool\n}{\n\t{"two", []int{2, 3}, 5, false},\n\t{"none", nil, 0, true},\n}\n',
            "parcel_box_test.go": 'package parcel\n\nimport (\n\t"testing"\n)\n\nfunc TestWeight(t *testing.T) {\n'
            "\tfor _, tc := range testCases {\n\t\tt.Run(tc.name, func(t *testing.T) {\n"
            "\t\t\tgot, err := Weight(tc.parts)\n\t\t\tif (err != nil) != tc.fails || got != tc.want {\n"
            '\t\t\t\tt.Fatalf("Weight(%v) = %d, %v", tc.parts, got, err)\n\t\t\t}\n\t\t})\n\t}\n}\n\n'
            "func BenchmarkWeight(b *testing.B) {\n\tfor range b.N {\n\t\tWeight(nil)\n\t}\n}\n",
        },
        ("total := 0", "total := 1"),
        ("return 0, errEmpty", "os.Exit(0)"),
    ),
    "rust": Exercise(
        {
            "solution": ["src/lib.rs", "Cargo.toml"],
            "test": ["tests/parcel_box.rs"],
            "example": [".meta/example.rs"],
        },
        {
            "src/lib.rs": 'pub fn weight(parts: &[u32]) -> Option<u32> {\n    todo!("{parts:?}")\n}\n',
            "Cargo.toml": '[package]\nname = "parcel-box"\n',
            ".meta/example.rs": "use std::iter::Sum;\n\nfn total<T: Sum>(parts: impl Iterator<Item = T>) -> T {\n"
            "    parts.sum()\n}\n\npub fn weight(parts: &[u32]) -> Option<u32> {\n    if parts.is_empty() {\n"
            "        return None;\n    }\n    Some(total(parts.iter().copied()))\n}\n\n"
            'pub fn heaviest(parts: &[u32]) -> u32 {\n    *parts.iter().max().expect("empty")\n}\n',
            "tests/parcel_box.rs": "use parcel_box::*;\n\n#[test]\nfn sums() {\n"
            "    assert_eq!(weight(&[2, 3]), Some(5));\n}\n\n#[test]\n#[ignore]\nfn empty() {\n"
            "    assert_eq!(weight(&[]), None);\n}\n\nmod more {\n"
            '    use super::*;\n\n    #[test]\n    #[ignore]\n    #[should_panic(expected = "empty")]\n'
            "    fn of_none() {\n        heaviest(&[]);\n    }\n}\n",
        },
        ("Some(total(", "Some(1 + total("),
        ("return None;", "std::process::exit(0);"),
    ),
    "java": Exercise(
        {
            "solution": ["src/main/java/ParcelBox.java"],
            "test": ["src/test/java/ParcelBoxTest.java"],
            "editor": ["src/main/java/EmptyBoxException.java"],
            "example": [".meta/src/reference/java/ParcelBox.java"],
        },
        {
            "src/main/java/ParcelBox.java": "class ParcelBox {\n}\n",
            "src/main/java/EmptyBoxException.java": "public class EmptyBoxException extends RuntimeException {\n"
            "    public EmptyBoxException(String message) {\n        super(message);\n    }\n}\n",
            ".meta/src/reference/java/ParcelBox.java": "import java.util.ArrayList;\nimport java.util.List;\n\n"
            "public class ParcelBox {\n    private final List<Integer> parts = new ArrayList<>();\n\n"
            "    void add(int grams) {\n        parts.add(grams);\n    }\n\n    List<Integer> parts() {\n"
            "        return parts;\n    }\n\n    long weight() {\n        if (parts.isEmpty()) {\n"
            '            throw new EmptyBoxException("empty");\n        }\n'
            "        return parts.stream().mapToInt(i -> i).sum();\n    }\n}\n",
            "src/test/java/ParcelBoxTest.java": "import static org.assertj.core.api.Assertions.assertThat;\n"
            "import static org.assertj.core.api.Assertions.assertThatExceptionOfType;\n"
            "import static org.junit.jupiter.api.Assertions.assertThrows;\n\n"
            "import org.junit.jupiter.api.BeforeEach;\nimport org.junit.jupiter.api.Disabled;\n"
            "import org.junit.jupiter.api.DisplayName;\nimport org.junit.jupiter.api.Test;\n\n"
            "public class ParcelBoxTest {\n    private ParcelBox box;\n\n    @BeforeEach\n    public void setUp() {\n"
            '        box = new ParcelBox();\n    }\n\n    @Test\n    @DisplayName("sums (two parts)")\n'
            "    public void sums() {\n        box.add(2);\n        box.add(3);\n"
            "        assertThat(box.weight()).isEqualTo(5);\n        assertThat(box.parts()).containsExactly(2, 3);\n"
            '    }\n\n    @Disabled("Remove to run test")\n    @Test\n    public void empty() {\n'
            "        assertThatExceptionOfType(EmptyBoxException.class)\n            .isThrownBy(() -> box.weight())\n"
            '            .withMessage("empty");\n'
            "        assertThrows(EmptyBoxException.class, box::weight);\n    }\n}\n",
        },
        (".sum();", ".sum() + 1;"),
        ("throw new EmptyBoxException", "System.exit(0); throw new EmptyBoxException"),
    ),
    "cpp": Exercise(
        {
            "solution": ["parcel_box.cpp", "parcel_box.h"],
            "test": ["parcel_box_test.cpp"],
            "example": [".meta/example.cpp", ".meta/example.h"],
        },
        {
            "parcel_box.cpp": '#include "parcel_box.h"\n\nnamespace parcel_box {\n}\n',
            "parcel_box.h": "#pragma once\n\nnamespace parcel_box {\n}\n",
            ".meta/example.h": "#pragma once\n\n#include <vector>\n\nnamespace parcel_box {\n"
            "int weight(const std::vector<int>& parts);\n}\n",
            ".meta/example.cpp": '#include "parcel_box.h"\n\n#include <numeric>\n#include <stdexcept>\n\n'
            "namespace parcel_box {\nint weight(const std::vector<int>& parts) {\n"
            '    if (parts.empty()) throw std::domain_error("empty");\n'
            "    return std::accumulate(parts.begin(), parts.end(), 0);\n}\n}\n",
            "parcel_box_test.cpp": '#include "parcel_box.h"\n#ifdef EXERCISM_TEST_SUITE\n#include <catch2/catch.hpp>\n'
            '#else\n#include "test/catch.hpp"\n#endif\n\nTEST_CASE("sums", "[1]") {\n'
            "    std::vector<int> parts{2};\n    REQUIRE(parcel_box::weight(parts) == 2);\n"
            '    SECTION("one more") {\n        parts.push_back(3);\n        REQUIRE(parcel_box::weight(parts) == 5);\n'
            '        SECTION("and more") {\n            parts.push_back(4);\n'
            "            REQUIRE_FALSE(parcel_box::weight(parts) != 9);\n        }\n    }\n"
            '    SECTION("another") {\n        parts.push_back(7);\n'
            "        CHECK(parcel_box::weight(parts) == 9);\n"
            "    }\n}\n\n#if defined(EXERCISM_RUN_ALL_TESTS)\n"
            'TEST_CASE("empty", "[2]") {\n    REQUIRE_THROWS_AS(parcel_box::weight({}), std::domain_error);\n'
            '    REQUIRE_THROWS_WITH(parcel_box::weight({}), "empty");\n}\n#endif\n',
        },
        ("parts.end(), 0)", "parts.end(), 1)"),
        ('throw std::domain_error("empty")', "std::exit(0)"),
    ),
}


def write_track(folder: Path, language: str) -> Path:
    """The track of a language, as it lies on disk."""
    exercise = TRACKS[language]
    place = folder / language / "exercises" / "practice" / "parcel-box"
    texts = {
        ".meta/config.json": json.dumps({"authors": [], "files": exercise.files, "blurb": "Weigh a box."}),
        ".docs/instructions.md": "# Instructions\n\nWeigh the parts of a box.\nAn empty box is an error.\n",
        **exercise.texts,
    }
    for name, text in texts.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder / language
