;;; notes.el --- take notes by date  -*- lexical-binding: t; -*-

;;; Commentary:
;; A small mode for notes.

;;; Code:

(require 'cl-lib)
(require 'subr-x)
(eval-when-compile (require 'rx))

(defgroup notes nil
  "Notes by date."
  :group 'text
  :prefix "notes-")

(defcustom notes-directory (expand-file-name "notes" user-emacs-directory)
  "Where notes lie."
  :type 'directory
  :group 'notes)

(defvar notes-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-n") #'notes-new)
    (define-key map [remap save-buffer] 'notes-save)
    map)
  "Keys of `notes-mode'.")

(defface notes-date '((t :inherit font-lock-keyword-face :weight bold))
  "Face of dates.")


;;;###autoload
(define-derived-mode notes-mode text-mode "Notes"
  "Mode for notes."
  (setq-local fill-column 72)
  (font-lock-add-keywords nil '(("^[0-9]\\{4\\}-[0-9]+" . 'notes-date)))
  (add-hook 'before-save-hook #'delete-trailing-whitespace nil t))

(defun notes--file (&optional date)
  "The file of DATE, or of today."
  (let ((name (format-time-string "%Y-%m-%d.txt" date)))
    (unless (file-directory-p notes-directory)
      (make-directory notes-directory t))
    (expand-file-name name notes-directory)))

(defun notes-new (title)
  "Begin a note with TITLE."
  (interactive "sTitle: ")
  (when (string-empty-p title)
    (user-error "No title"))
  (find-file (notes--file))
  (save-excursion
    (goto-char (point-max))
    (insert (format "\n* %s\n" title)))
  (message "Noted: %s" title))


(defun notes-words (buffer)
  "An alist of words in BUFFER and how often they occur."
  (let ((counts (make-hash-table :test 'equal))
        result)
    (with-current-buffer buffer
      (goto-char (point-min))
      (while (re-search-forward "\\w+" nil t)
        (let ((word (downcase (match-string 0))))
          (puthash word (1+ (gethash word counts 0)) counts))))
    (maphash (lambda (k v) (push (cons k v) result)) counts)
    (sort result (lambda (a b) (> (cdr a) (cdr b))))))

(defmacro notes-with-file (file &rest body)
  "Visit FILE and run BODY."
  (declare (indent 1) (debug t))
  `(with-temp-buffer
     (insert-file-contents ,file)
     ,@body))

(cl-defun notes-find (pattern &key (limit 10) case)
  (let ((case-fold-search (not case)))
    (cl-loop for file in (directory-files notes-directory t "\\.txt\\'")
             when (notes-with-file file (re-search-forward pattern nil t))
             collect (file-name-base file) into found
             until (= (length found) limit)
             finally return (nreverse found))))


(defpackage :shapes
  (:use :cl)
  (:export #:circle #:area #:scale))
(in-package :shapes)

(defparameter *scale* 1.0d0)

(defclass shape ()
  ((name :initarg :name :accessor shape-name :initform "none")
   (parts :initform '() :type list)))

(defgeneric area (shape)
  (:documentation "How large it is."))

(defmethod area ((c circle))
  (with-slots (radius) c
    (* pi (expt radius 2) *scale*)))

(defstruct (point (:constructor make-point (x y))) x y)

(define-condition no-shape (error)
  ((what :initarg :what :reader what)))

(defun sum-areas (shapes &aux (total 0))
  (declare (optimize (speed 3)) (type list shapes))
  (dolist (s shapes total)
    (handler-case (incf total (area s))
      (no-shape (c) (format *error-output* "~&no shape: ~a~%" (what c))))))

(defun primes (n)
  (loop for i from 2 to n
        unless (loop for j from 2 to (isqrt i) thereis (zerop (mod i j)))
          collect i))

(let ((table (make-hash-table)))
  (setf (gethash :a table) (mapcar #'1+ '(1 2 3)))
  (multiple-value-bind (value found) (gethash :b table)
    (assert (and (null value) (not found))))
  (print (reduce #'+ (gethash :a table) :initial-value 0)))

(provide 'notes)
;;; notes.el ends here
