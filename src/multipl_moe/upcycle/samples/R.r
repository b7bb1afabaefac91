#' Words of a file
#'
#' @param path Where it lies.
#' @return A data frame.
#' @export
count_words <- function(path, n = 10L, ...) {
  stopifnot(is.character(path), length(path) == 1)
  lines <- readLines(path, warn = FALSE)
  words <- unlist(strsplit(tolower(lines), "[^a-z]+"))
  words <- words[nchar(words) > 0]
  counts <- sort(table(words), decreasing = TRUE)
  if (length(counts) == 0L) {
    warning("no words in ", sQuote(path), call. = FALSE)
    return(invisible(NULL))
  }
  head(data.frame(word = names(counts), count = as.vector(counts), stringsAsFactors = FALSE), n)
}

is_prime <- function(n) n > 1 && all(n %% seq_len(floor(sqrt(n)))[-1] != 0)

`%||%` <- function(x, y) if (is.null(x)) y else x


library(dplyr)
library(ggplot2)
suppressPackageStartupMessages(require(data.table))

result <- sales %>%
  filter(!is.na(price), year >= 2010) %>%
  mutate(total = price * count, month = factor(month, levels = month.abb)) %>%
  group_by(shop, month) %>%
  summarise(mean = mean(total, na.rm = TRUE), n = n(), .groups = "drop") |>
  arrange(desc(mean))

ggplot(result, aes(x = month, y = mean, colour = shop)) +
  geom_line(linewidth = 0.5) +
  geom_point(data = subset(result, n > 10)) +
  facet_wrap(~shop, ncol = 2) +
  labs(title = "Sales", x = NULL) +
  theme_minimal()

fit <- lm(log(total) ~ price + I(price^2) + factor(shop), data = sales)
print(summary(fit)$coefficients[, c("Estimate", "Pr(>|t|)")])
predicted <- predict(fit, newdata = data.frame(price = c(1, 2.5), shop = "a"))


shape <- function(name, ..., class = character()) {
  structure(list(name = name, ...), class = c(class, "shape"))
}

area <- function(x, ...) UseMethod("area")
area.default <- function(x, ...) stop("no area of a ", class(x)[1])
area.circle <- function(x, ...) pi * x$radius^2

print.shape <- function(x, digits = 3, ...) {
  cat("<", x$name, "> ", format(area(x), digits = digits), "\n", sep = "")
  invisible(x)
}

Stack <- setRefClass("Stack",
  fields = list(items = "list"),
  methods = list(
    push = function(x) {
      items[[length(items) + 1]] <<- x
    },
    pop = function() {
      if (length(items) == 0) stop("empty")
      value <- items[[length(items)]]
      items[[length(items)]] <<- NULL
      value
    }
  )
)

setGeneric("scale_by", function(object, by) standardGeneric("scale_by"))
setMethod("scale_by", signature("numeric"), function(object, by = 2) object * by)


test_that("primes are found", {
  expect_true(is_prime(7))
  expect_equal(Filter(is_prime, 1:10), c(2L, 3L, 5L, 7L))
  expect_error(area(1), "no area")
  expect_s3_class(shape("a", radius = 1, class = "circle"), "circle")
})

m <- matrix(runif(12), nrow = 3, dimnames = list(letters[1:3], NULL))
m[m < 0.5] <- NA
means <- apply(m, 1, function(row) mean(row, na.rm = TRUE))
for (i in seq_along(means)) {
  value <- means[[i]]
  if (is.nan(value) || is.na(value)) next
  message(sprintf("%s: %.2f", names(means)[i], value))
}
sums <- vapply(split(mtcars$mpg, mtcars$cyl), sum, numeric(1))
both <- do.call(rbind, lapply(names(sums), function(k) data.frame(cyl = k, sum = sums[[k]])))
x <- tryCatch(as.integer("a"), warning = function(w) NULL, finally = gc()) %||% 0L
repeat {
  x <- x + 1L
  if (x > 5L) break
}
while (TRUE) { if (nrow(both) > 1) break }
switch(class(x)[1], integer = cat("whole\n"), character = , logical = cat("other\n"))
