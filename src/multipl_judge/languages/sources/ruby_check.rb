# Fails if the program on standard input does not parse, or the code does not that it holds as `harness..._code`.
source = STDIN.read
codes = source.scan(/^harness\w*_code = (".*")$/).flatten.map(&method(:eval)).map(&:b)
[source, *codes].each do |text|
  RubyVM::InstructionSequence.compile(text.force_encoding('UTF-8'))
end
