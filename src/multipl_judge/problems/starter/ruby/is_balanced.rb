# Returns whether the brackets in text are balanced.
#
# Each of ( [ { needs its own closing ) ] } in the right order; all other characters are ignored.
#
#   balanced?("a(b[c]{d})") # => true
#   balanced?("(]") # => false
def balanced?(text)
# --- solution
  closing = { "(" => ")", "[" => "]", "{" => "}" }
  expected = []
  text.each_char do |letter|
    if closing.key?(letter)
      expected.push(closing[letter])
    elsif closing.value?(letter)
      return false if expected.pop != letter
    end
  end
  expected.empty?
end
