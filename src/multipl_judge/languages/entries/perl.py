"""Perl. MultiPL-E's tests use Test::Deep; what they use of it stands here, out of the completion's reach."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Reference, Toolchain

# Runs the text that SOURCE gives as a file, which closes its input when it has been read: no BEGIN block reads on.
_DRIVER = (
    "my $text = do { local $/; SOURCE }; open my $file, '<', \\$text or die; "
    "unshift @INC, sub { $_[1] eq 'program' ? (shift(@INC), $file)[1] : () }; "
    "do 'program'; if ($@) { print STDERR $@; exit 1 }"
)
# Test::Deep's equality of what JSON knows: texts, numbers (as Perl writes them), arrays and hashes.
_OPENING = r"""my $harness_same; $harness_same = sub {
  my ($one, $two) = @_;
  return !defined $one && !defined $two if !defined $one || !defined $two;
  return 0 if ref $one ne ref $two;
  if (ref $one eq 'ARRAY') {
    return 0 if @$one != @$two;
    for my $place (0 .. $#$one) { return 0 if !$harness_same->($one->[$place], $two->[$place]) }
    return 1;
  }
  if (ref $one eq 'HASH') {
    return 0 if keys %$one != keys %$two;
    for my $key (keys %$one) { return 0 if !exists $two->{$key} || !$harness_same->($one->{$key}, $two->{$key}) }
    return 1;
  }
  return $one eq $two;
};
"""
_ENDING = r"""
BEGIN { %^H = (); $$^H &= ~0x1f000 }
$tests
if (!$$harness_same->($one, $two) && !$$harness_same->([$one], [$two]) && $$harness_same->([$one], [$one])) {
  local $$, = "";
  CORE::print STDOUT "\nnonce ", $first ^ $second, "\n";
}
"""
_CONTENT = (
    r"^(?:\s*use\s+(?:strict|warnings|[A-Z]\w*::\w|v?5)|\s*package\s+[A-Z]\w*(?:::\w+)*\s*[;{]|=head1\b"
    r"|\s*(?:my|our|local)\s*\(?\s*[$@%]\w|\s*sub\s+\w+\s*(?:\{|$))"
)

ENTRY = Entry(
    Language(
        "Perl",
        (".pm", ".perl"),
        ("/usr/share/perl/[0-9]*.[0-9]*.[0-9]*", "/usr/share/perl5"),
        "Artistic-1.0-Perl OR GPL-1.0-or-later",
        ("perl",),
        line_comment="#",
        block_comment=None,
        shared_extensions=(".pl", ".t"),
        content_pattern=_CONTENT,
        interpreters=("perl",),
        content_labels=("perl",),
    ),
    Toolchain(
        executables={"perl": ("/usr/bin/perl", "/usr/local/bin/perl")},
        version=("{perl}", "-e", 'print "perl $^V"'),
        run=("{perl}", "-e", _DRIVER.replace("SOURCE", "<STDIN>")),
        script=("{perl}", "{folder}/program"),
        packages=("perl",),
        failed_assertion=r"^assertion failed\b",
        uncompiled=r"^syntax error at |aborted due to compilation errors|^Global symbol |had compilation errors",
        reference=Reference(
            "sub twice {\n  my ($x) = @_;\n  BODY\n}\n\ndie 'assertion failed' if twice(21) != 42;\n"
            'print "nonce ", FIRST ^ SECOND, "\\n";\n',
            right="return 2 * $x;",
            wrong="return $x;",
            early="exit 0;",
        ),
    ),
    Harness(
        opening=_OPENING,
        ending=_ENDING,
        stop=("\n}", "\n```"),
        closing="\n}\n",
        broken="    die 'broken on purpose';",
        extension=".pl",
        multipl_e=(
            (r"(?m)^use Test::Deep;[ \t]*$", ""),
            (r"\beq_deeply\(", "$harness_same->("),
            (r"\bexit 1;", "CORE::die 'assertion failed';"),
            (r"(?m)^sub testhumaneval \{", "my $harness_tests = sub {"),
            (r"\}\s*testhumaneval\(\);\s*\Z", "};\n$harness_tests->();"),
        ),
    ),
    comments=r"(?<![$\\])#[^\n]*+|^=[a-z]\w*.*?^=cut\b[^\n]*+",
    literals=r"(?<![\\$])\"(?:\\.|[^\"\\])*+\"|(?<![\\$])'(?:\\.|[^'\\])*+'",
    definition=r"\bsub\s+{name}\b",
    blocks=(r"\{", r"\}"),
    whole_changes=(
        (r"(?ms)^__(?:END|DATA)__\b.*\Z", ""),
        (r"(?m)^(?:exit\b|&?main\b(?=\s*[(;])|__PACKAGE__->main\b)[^;\n]*;", ""),
    ),
)
