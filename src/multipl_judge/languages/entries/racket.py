"""Racket: solution and tests are two modules, so that no macro of the one gives words of the other a meaning."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Limits, Reference, Toolchain

_MARK = ";; --- tests ---"
# Each module is compiled before it runs, and what does not compile says so. The text is in no variable that a program
# can name.
_DRIVER = rf"""
(let* ([text (let ([in SOURCE] [out (open-output-bytes)])
               (let copy ()
                 (let ([bytes (read-bytes 65536 in)])
                   (if (eof-object? bytes) (get-output-bytes out) (begin (write-bytes bytes out) (copy))))))]
       [marks (regexp-match-positions* #rx#"(?m:^{_MARK}$)" text)]
       [mark (and (pair? marks) (car (car (reverse marks))))]
       [parts (if mark
                  (list (cons 'solution (subbytes text 0 mark)) (cons 'tests (subbytes text mark)))
                  (list (cons 'solution text)))])
  (current-namespace (make-base-empty-namespace))
  (namespace-require ''#%kernel)
  (for-each
    (lambda (part)
      (with-handlers ([void (lambda (fault)
                              (eprintf "does not compile: ~a\n" (if (exn? fault) (exn-message fault) fault))
                              (exit 1))])
        (parameterize ([read-accept-reader #t]
                       [read-accept-lang #t]
                       [current-module-declare-name (make-resolved-module-path (car part))])
          (let ([in (open-input-bytes (cdr part))])
            (port-count-lines! in)
            (eval (namespace-syntax-introduce (read-syntax (car part) in)))))))
    parts)
  (dynamic-require (list 'quote (car (car (reverse parts)))) #f))
"""
_RACKET = ("{racket}", "-I", "", "-l", "racket/base", "-e")
# rackunit goes on after a check that failed; here the first one ends the program.
_TESTS = rf"""
{_MARK}
(module tests racket
(require rackunit (only-in 'solution NAME))
(current-check-handler
  (lambda (fault)
    (when (exn:test:check? fault)
      (eprintf "check failed\n")
      (for ([info (exn:test:check-stack fault)]) (eprintf "~a: ~s\n" (check-info-name info) (check-info-value info)))
      (exit 1))
    (raise fault)))
"""
_ENDING = r"""
$tests
(define (harness-bites? check)
  (parameterize ([current-check-handler raise])
    (with-handlers ([exn:test:check? (lambda (fault) #t)]) (check) #f)))
(when (and (harness-bites? (lambda () (check-within $one $two 0.001)))
           (harness-bites? (lambda () (check-equal? (list $one) (list $two))))
           (harness-bites? (lambda () (check-within (list $one) (list $two) 0.001)))
           (harness-bites? (lambda () (check-true (= $one $two)))))
  (printf "\nnonce ~a\n" (bitwise-xor $first $second))))
"""
_ANSWERS = r"""
(define (harness-json value)
  (define (joined items) (string-join (map harness-json items) ","))
  (define (escaped letter)
    (string-append "\\u" (~r (char->integer (string-ref letter 0)) #:base 16 #:min-width 4 #:pad-string "0")))
  (cond
    [(boolean? value) (if value "true" "false")]
    [(or (string? value) (char? value) (symbol? value))
     (string-append "\"" (regexp-replace* #px"[\"\\\\[:cntrl:]]" (~a value) escaped) "\"")]
    [(list? value) (string-append "[" (joined value) "]")]
    [(vector? value) (harness-json (vector->list value))]
    [(hash? value)
     (define pairs (for/list ([(key one) value]) (string-append (harness-json (~a key)) ":" (harness-json one))))
     (string-append "{" (string-join pairs ",") "}")]
    [(exact-integer? value) (number->string value)]
    [(real? value) (number->string (exact->inexact value))]
    [else "null"]))
(printf "\n$mark~a\n" (harness-json $call))
(flush-output)
"""

ENTRY = Entry(
    Language(
        "Racket",
        (".rkt", ".rktl", ".rktd", ".scrbl"),
        ("/usr/share/racket/collects", "/usr/share/racket/pkgs"),
        "MIT OR Apache-2.0",
        ("racket",),
        line_comment=";",
        block_comment=("#|", "|#"),
        interpreters=("racket",),
    ),
    Toolchain(
        executables={"racket": ("/usr/bin/racket", "/usr/local/bin/racket", "/usr/local/racket/bin/racket")},
        version=("{racket}", "--version"),
        run=(*_RACKET, _DRIVER.replace("SOURCE", "(current-input-port)")),
        script=(*_RACKET, _DRIVER.replace("SOURCE", '(open-input-file "{folder}/program")')),
        packages=("racket",),
        folders=("/etc/racket",),
        failed_assertion=r"^check failed$",
        uncompiled=r"^does not compile: ",
        run_limits=Limits(cpu_s=20, memory_bytes=1024 * 2**20),
        reference=Reference(
            f"#lang racket\n(define (twice x) BODY)\n(provide twice)\n{_TESTS.replace('NAME', 'twice')}"
            '(check-equal? (twice 21) 42)\n(printf "nonce ~a\\n" (bitwise-xor FIRST SECOND)))\n',
            right="(* 2 x)",
            wrong="x",
            early="(exit 0)",
        ),
    ),
    Harness(
        guard="(provide $name)\n" + _TESTS.replace("NAME", "$name"),
        ending=_ENDING,
        answers=_ANSWERS,
        stop=("\n(define ", "\n#|", "\n;", "\n(", "\n```"),
        closing=")\n",
        broken='  (error "broken on purpose")',
        comment=";;",
    ),
    comments=r";[^\n]*+|#\|(?:.*?\|#|.*)",
    literals=r"#\\.\w*|\"(?:\\.|[^\"\\])*+\"",
    definition=r"\(define(?:/match|/contract)?\s+\(?\s*{name}(?=[\s()\[\]])",
    word=r"[^\s()\[\]\"';]+",
    blocks=(r"[(\[]", r"[)\]]"),
    whole="  (answer-$name $arguments))\n$code",
    whole_changes=(
        (r"(?m)^#lang[^\n]*\n", ""),
        (r"(?m)^\((?:exit\b[^()\n]*|main)\)\s*\Z", ""),
        (r"(?<![^\s()\[\]'])$name(?=[\s()\[\]])", "answer-$name"),
    ),
)
