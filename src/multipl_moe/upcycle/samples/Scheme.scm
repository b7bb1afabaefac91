(define-module (shop cart)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-9)
  #:export (make-cart cart-add! cart-total))

;;; A cart of a shop.

(define-record-type <cart>
  (make-cart owner items)
  cart?
  (owner cart-owner)
  (items cart-items set-cart-items!))

(define* (cart-add! cart name #:key (count 1))
  "Put COUNT of what is called NAME into CART."
  (set-cart-items! cart (alist-cons name count (cart-items cart))))

(define (cart-total cart prices)
  (fold (lambda (item sum)
          (match item
            ((name . count)
             (+ sum (* count (assoc-ref prices name))))))
        0
        (cart-items cart)))


(define (fact n)
  (let loop ((i n) (acc 1))
    (if (= i 0)
        acc
        (loop (- i 1) (* acc i)))))

(define-syntax while
  (syntax-rules ()
    ((_ condition body ...)
     (let lp ()
       (when condition
         body ...
         (lp))))))

(define (tree-insert tree value)
  (cond ((null? tree) (list value '() '()))
        ((< value (car tree))
         (list (car tree) (tree-insert (cadr tree) value) (caddr tree)))
        (else
         (list (car tree) (cadr tree) (tree-insert (caddr tree) value)))))

(define (flatten x)
  (cond ((null? x) '())
        ((pair? x) (append (flatten (car x)) (flatten (cdr x))))
        (else (list x))))

(define-values (evens odds)
  (partition even? (iota 10 1)))


(define (read-words port)
  (let ((line (read-line port)))
    (if (eof-object? line)
        '()
        (append (string-split line #\space) (read-words port)))))

(define (count-words file)
  (let ((table (make-hash-table)))
    (call-with-input-file file
      (lambda (port)
        (for-each (lambda (word)
                    (hash-set! table word (+ 1 (hash-ref table word 0))))
                  (read-words port))))
    (sort (hash-map->list cons table)
          (lambda (a b) (> (cdr a) (cdr b))))))

(define counter
  (let ((n 0))
    (lambda ()
      (set! n (+ n 1))
      n)))

(define (with-log thunk)
  (dynamic-wind
    (lambda () (display "begin\n"))
    thunk
    (lambda () (display "end") (newline))))


(define (evaluate expr env)
  (cond ((symbol? expr) (cdr (assq expr env)))
        ((not (pair? expr)) expr)
        (else
         (case (car expr)
           ((quote) (cadr expr))
           ((if) (if (evaluate (cadr expr) env)
                     (evaluate (caddr expr) env)
                     (evaluate (cadddr expr) env)))
           ((lambda)
            (lambda args
              (evaluate (caddr expr)
                        (append (map cons (cadr expr) args) env))))
           (else
            (let ((f (evaluate (car expr) env)))
              (apply f (map (lambda (e) (evaluate e env)) (cdr expr)))))))))

(test-begin "vectors")
(test-equal '(1 2 3) (vector->list #(1 2 3)))
(test-assert (string=? "ab" (string-append "a" "b")))
(test-error #t (vector-ref (vector 1 2) 5))
(let* ((v (make-vector 3 0))
       (k (call/cc (lambda (return) (vector-fill! v 1) (return 2)))))
  (do ((i 0 (+ i 1)))
      ((= i (vector-length v)))
    (vector-set! v i (* i k)))
  (test-eqv 4 (vector-ref v 2)))
(test-end "vectors")
