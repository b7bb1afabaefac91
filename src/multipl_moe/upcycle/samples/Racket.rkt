#lang racket/base

(require racket/list
         racket/match
         racket/string
         (only-in racket/file file->lines)
         (for-syntax racket/base syntax/parse))

(provide (struct-out item)
         (contract-out [total (-> (listof item?) number?)]))

;; What lies in a cart.
(struct item (name price count) #:transparent)

(define (total items)
  (for/sum ([i (in-list items)])
    (* (item-price i) (item-count i))))

(define (cheapest items #:limit [limit 3])
  (take (sort items < #:key item-price)
        (min limit (length items))))

(define (describe v)
  (match v
    ['() "nothing"]
    [(list x) (format "one: ~a" x)]
    [(cons x (? list? rest)) (format "~a and ~a more" x (length rest))]
    [(item name _ (and n (not 0))) #:when (> n 1) (string-append name "s")]
    [_ "something else"]))


(define (count-words path)
  (define counts (make-hash))
  (for* ([line (in-list (file->lines path))]
         [word (in-list (string-split (string-downcase line)))])
    (hash-update! counts word add1 0))
  (sort (hash->list counts) > #:key cdr))

(define-syntax (unless-zero stx)
  (syntax-parse stx
    [(_ n:expr body:expr ...)
     #'(let ([v n])
         (unless (zero? v) body ...))]))

(define (primes n)
  (for/list ([i (in-range 2 (add1 n))]
             #:unless (for/or ([d (in-range 2 (add1 (integer-sqrt i)))])
                        (zero? (remainder i d))))
    i))

(define (fold-tree f init tree)
  (cond
    [(null? tree) init]
    [(pair? tree)
     (fold-tree f (fold-tree f init (car tree)) (cdr tree))]
    [else (f tree init)]))


(define shape%
  (class object%
    (init-field [name "none"] x y)
    (super-new)
    (define/public (move! dx dy)
      (set! x (+ x dx))
      (set! y (+ y dy)))
    (define/public (area) 0)
    (inherit-field)))

(define circle%
  (class shape%
    (init r)
    (define radius r)
    (super-new [name "circle"])
    (define/override (area) (* pi (expt radius 2)))))

(define current-log (make-parameter (current-error-port)))

(define (note fmt . args)
  (fprintf (current-log) "~a: ~a\n" (current-seconds) (apply format fmt args)))

(define (read-number s)
  (with-handlers ([exn:fail? (lambda (e) (note "~s" (exn-message e)) #f)])
    (let-values ([(n unit) (apply values (string-split s))])
      (or (string->number n)
          (raise-argument-error 'read-number "number" s)))))


(module+ test
  (require rackunit)
  (check-equal? (total (list (item "tea" 3 2))) 6)
  (check-true (andmap odd? (cdr (primes 20))))
  (check-exn exn:fail:contract? (lambda () (total 'none)))
  (test-case "trees"
    (define tree '(1 (2 3) ((4))))
    (check-eqv? (fold-tree + 0 tree) 10)))

(module+ main
  (define path
    (command-line #:program "words"
                  #:args (path) path))
  (for ([pair (count-words path)]
        [i (in-naturals 1)])
    (printf "~a. ~a\t~a\n" i (car pair) (cdr pair)))
  (let loop ([n 10] [acc empty])
    (if (= n 0)
        (displayln (reverse acc))
        (loop (sub1 n) (cons (* n n) acc))))
  (define-values (evens odds) (partition even? (range 10)))
  (begin
    (set! evens (append evens `(,@odds ,(length odds))))
    (write (vector-map sqr (list->vector evens)))
    (newline)))
