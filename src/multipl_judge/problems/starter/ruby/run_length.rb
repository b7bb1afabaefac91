# Returns text with each run of an equal letter as its length and the letter.
#
# A letter that stands alone gets no number. The text holds letters only.
#
#   run_length("aaab") # => "3ab"
#   run_length("xyz") # => "xyz"
def run_length(text)
# --- solution
  text.gsub(/(.)\1+/) { |run| "#{run.size}#{run[0]}" }
end
