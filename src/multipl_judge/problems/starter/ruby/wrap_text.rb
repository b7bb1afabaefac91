# Returns the words of text in lines of at most width characters.
#
# Words are separated by spaces; each line takes as many as fit, with one space between two. A
# word that is longer than width has a line of its own.
#
#   wrap_text("the quick brown fox", 10) # => ["the quick", "brown fox"]
def wrap_text(text, width)
# --- solution
  text.split.each_with_object([]) do |word, lines|
    if lines.any? && lines.last.size + 1 + word.size <= width
      lines[-1] += " #{word}"
    else
      lines << word
    end
  end
end
