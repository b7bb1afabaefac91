# Tests and completion of a Ruby program, each in a process of its own that speaks through values; it runs inside the
# sandbox. See python_harness.py: the process that reads the program forks. One becomes a fresh interpreter with the
# completion and nothing else in it. The other keeps tests and nonce, and calls the completion; what arrives there is
# made anew of values, so that no method of the completion runs among the tests.
require 'json'
require 'set'

# Something of the other process. In the tests it compares to nothing: who asks ends the program. So does who calculates
# with it, for it would learn what the tests expect.
class HarnessRemote < BasicObject
  attr_reader :harness_number

  def initialize(peer, number, about)
    @harness_peer, @harness_number, @harness_about = peer, number, about
  end

  def method_missing(name, *arguments, &block)
    is_lenient = name.match?(/\A(?!respond_to).*\?\z|\A[^a-z_A-Z\[]|\Acoerce\z/)
    @harness_peer.distrust(@harness_about) if is_lenient
    @harness_peer.ask('send', self, name, *arguments, &block)
  end

  %i[== != ! equal? instance_eval instance_exec __send__].each do |name|
    define_method(name) { |*arguments| method_missing(name, *arguments) }
  end

  def respond_to_missing?(*) = false
end

# One end: what it sends, and what it gives the other a number for.
class HarnessPeer
  attr_writer :classes

  def initialize(receive, send)
    @receive, @send = IO.for_fd(receive, 'r'), IO.for_fd(send, 'w')
    @given, @classes = [], []
  end

  def write(message)
    @send.write(JSON.generate(message, max_nesting: 0, allow_nan: true), "\n")
    @send.flush
  end

  def read
    line = @receive.gets or raise EOFError
    JSON.parse(line, max_nesting: false, allow_nan: true)
  end

  def ask(operation, *arguments, **named, &block)
    write('do' => operation, 'with' => pack(arguments), 'named' => pack(named), 'block' => pack(block))
    loop do
      message = read
      return result(message, arguments) unless message.key?('do')
      write(answer(message))
    end
  end

  def result(message, arguments)
    raise_anew(message) if message.key?('raise')
    arguments.zip(unpack(message['changed'])) { |before, after| change(before, after) } if message['changed']
    message.key?('same') ? arguments[message['same']] : unpack(message['value'])
  end

  def answer(message)
    arguments, named, yielded = %w[with named block].map { |part| unpack(message[part]) }
    block = yielded && proc { |*given| yielded.call(*given) }
    before = pack(arguments)
    value = operate(message['do'], arguments, named, block)
    same = arguments.index { |one| [Array, Hash, String].include?(one.class) && one.equal?(value) }
    said = same ? { 'same' => same } : { 'value' => pack(value) }
    after = pack(arguments)
    STDOUT.flush
    before == after ? said : said.merge('changed' => after)
  rescue StandardError, NotImplementedError, SystemStackError, NoMemoryError, SystemExit => error
    kinds = error.class.ancestors.grep(Class).map(&:name)
    { 'raise' => kinds, 'message' => error.message.to_s.scrub, 'text' => error.full_message(highlight: false).scrub }
  end

  def pack(value)
    case value
    when HarnessRemote then { 'yours' => value.harness_number }
    when nil, true, false, Integer then value
    when Float then value.finite? ? value : { 'float' => value.to_s }
    when String then value.encoding == Encoding::UTF_8 && value.valid_encoding? ? String.new(value) : packed_bytes(value)
    when Symbol then { 'symbol' => value.to_s }
    when Array then value.map { |item| pack(item) }
    when Hash then { 'hash' => value.map { |key, item| [pack(key), pack(item)] } }
    when Set then { 'set' => value.map { |item| pack(item) } }
    when Range then { 'range' => [pack(value.begin), pack(value.end), value.exclude_end?] }
    when Rational then { 'rational' => [value.numerator, value.denominator] }
    when Complex then { 'complex' => [pack(value.real), pack(value.imaginary)] }
    else pack_object(value)
    end
  end

  def packed_bytes(text) = { 'bytes' => [text].pack('m0'), 'encoding' => text.encoding.name }

  def pack_object(value)
    name = value.class.name
    if @classes.include?(name)
      parts = value.instance_variables.map { |part| [part.to_s, pack(value.instance_variable_get(part))] }
      members = value.is_a?(Struct) ? value.to_a.map { |member| pack(member) } : []
      return { 'class' => name, 'parts' => parts, 'members' => members }
    end
    @given << value unless @given.any? { |one| one.equal?(value) }
    { 'mine' => @given.index { |one| one.equal?(value) }, 'about' => name.to_s }
  end

  def unpack(packed)
    return packed.map { |item| unpack(item) } if packed.is_a?(Array)
    return packed unless packed.is_a?(Hash)

    tag, of = packed.first
    case tag
    when 'yours' then @given.fetch(of)
    when 'mine' then HarnessRemote.new(self, of, packed['about'])
    when 'float' then { 'NaN' => Float::NAN, 'Infinity' => Float::INFINITY, '-Infinity' => -Float::INFINITY }.fetch(of)
    when 'bytes' then of.unpack1('m0').force_encoding(packed['encoding'])
    when 'symbol' then of.to_sym
    when 'hash' then of.to_h { |key, item| [unpack(key), unpack(item)] }
    when 'set' then of.to_set { |item| unpack(item) }
    when 'range' then Range.new(unpack(of[0]), unpack(of[1]), of[2])
    when 'rational' then Rational(*of)
    when 'complex' then Complex(*of.map { |part| unpack(part) })
    when 'class' then unpack_object(packed)
    end
  end

  def unpack_object(packed)
    raise TypeError, packed['class'] unless @classes.include?(packed['class'])

    made = Object.const_get(packed['class']).allocate
    packed['parts'].each { |part, item| made.instance_variable_set(part, unpack(item)) }
    packed['members'].each_with_index { |item, index| made[index] = unpack(item) }
    made
  end

  def change(before, after)
    return if before.frozen? || before.class != after.class || before == after

    before.replace(after) if [Array, Hash, String, Set].include?(before.class)
  end

  def distrust(_about) = nil
end

# The end with the completion.
class HarnessServer < HarnessPeer
  def serve
    request = read
    @classes = request['classes']
    known = Object.private_instance_methods + Object.instance_methods
    begin
      eval(request['code'], TOPLEVEL_BINDING, '-', 1)
    rescue StandardError, ScriptError, SystemStackError, NoMemoryError => error
      STDERR.puts(error.full_message(highlight: false))
      exit(1)
    end
    write('names' => Object.private_instance_methods + Object.instance_methods - known)
    answer_until_the_end
  end

  def answer_until_the_end
    loop { write(answer(read)) }
  rescue EOFError, Errno::EPIPE
    nil
  end

  def operate(operation, arguments, named, block)
    case operation
    when 'call' then TOPLEVEL_BINDING.receiver.send(arguments[0], *arguments[1..], **named, &block)
    when 'send' then arguments[0].public_send(*arguments[1..], **named, &block)
    when 'constant' then constant(Object.const_get(arguments[0]))
    end
  end

  def constant(value)
    value.is_a?(Class) && value <= Exception ? { 'kinds' => value.ancestors.grep(Class).map(&:name) } : value
  end
end

# Exceptions that cross from the completion to the tests, beside those that the prompt or the tests name: a framework's
# own may mean that a test is left out.
HARNESS_ERRORS = %w[
  ArgumentError EOFError Encoding::CompatibilityError Encoding::ConverterNotFoundError EncodingError
  Encoding::InvalidByteSequenceError Encoding::UndefinedConversionError FiberError FloatDomainError FrozenError IOError
  IndexError KeyError LoadError LocalJumpError Math::DomainError NameError NoMatchingPatternError
  NoMatchingPatternKeyError NoMemoryError NoMethodError NotImplementedError RangeError RegexpError RuntimeError
  ScriptError SecurityError StandardError SyntaxError SystemCallError SystemExit SystemStackError ThreadError TypeError
  ZeroDivisionError
].freeze

# The end with the tests. Where the other end is gone, so is this one: no test may rescue that.
class HarnessTester < HarnessPeer
  def read
    super
  rescue EOFError
    exit!(1)
  end

  def write(message)
    super
  rescue Errno::EPIPE
    exit!(1)
  end

  def start(code, tests, entry_point)
    @is_strict = !entry_point.empty?
    write('code' => code, 'classes' => @classes)
    names = read['names'].map(&:to_sym)
    used = names.select { |name| tests.include?(name.to_s) && !Object.new.respond_to?(name, true) }
    peer = self
    [*used, *(entry_point.to_sym unless entry_point.empty?)].uniq.each do |name|
      Object.define_method(name) { |*arguments, **named, &block| peer.ask('call', name, *arguments, **named, &block) }
      Object.send(:private, name)
    end
    Object.define_singleton_method(:const_missing) { |name| Object.const_set(name, peer.constant(name)) }
  end

  def constant(name)
    found = ask('constant', name)
    kinds = found.is_a?(Hash) && found['kinds']
    return found unless kinds

    (@errors ||= []) << name.to_s
    Class.new(nearest(kinds))
  end

  def nearest(kinds)
    kinds.each do |name|
      next unless [*HARNESS_ERRORS, *@classes, *@errors].include?(name) || /\AErrno::\w+\z/.match?(name)

      found = Object.const_defined?(name) && Object.const_get(name)
      return found if found.is_a?(Class) && found <= Exception
    end
    RuntimeError
  end

  def raise_anew(message)
    kind = nearest(message['raise'])
    kind = RuntimeError if kind <= StopIteration
    raise kind, message['message'], [*message['text'].lines(chomp: true).first(20), *caller.last(3)]
  end

  def operate(operation, arguments, named, block)
    allowed = operation == 'send' && [Proc, Method].include?(arguments[0].class) && arguments[1] == :call
    raise NoMethodError, 'not of what belongs to the tests' unless allowed

    arguments[0].public_send(*arguments[1..], **named, &block)
  rescue Test::Unit::AssertionFailedError => error # a test's, in a block, where the completion might rescue it
    STDERR.puts("Failure: #{error.message}")
    STDERR.flush
    exit!(1)
  end

  def distrust(about)
    return unless @is_strict

    STDERR.puts("a result is of #{about}, whose comparisons the completion brings itself: " \
                'tests that compare it prove nothing')
    STDERR.flush
    exit!(0)
  end
end

def harness_forbid_reading
  prctl = { 'x86_64' => 157, 'aarch64' => 167 }[RUBY_PLATFORM[/\A\w+(?=-)/]]
  $VERBOSE, verbose = nil, $VERBOSE
  syscall(prctl, 4, 0) if prctl
  $VERBOSE = verbose
end

# Runs tests (by a block) against a completion in another process.
def harness_run(source, code, opening, tests, entry_point)
  harness_forbid_reading
  requests, replies = IO.pipe, IO.pipe
  process = fork
  if process
    text = "#{source}\nHarnessServer.new(#{requests[0].fileno}, #{replies[1].fileno}).serve\n" \
           "status = Process.wait2(#{process})[1]\nexit!(status.exitstatus || 1)\n"
    start = "$0 = '-'; eval(#{[text].pack('m0').dump}.unpack1('m0').force_encoding('UTF-8'), binding, 'harness')"
    kept = [requests[0], replies[1]].to_h { |pipe| [pipe.fileno, pipe.fileno] }
    exec(File.readlink('/proc/self/exe'), '-e', start, kept)
  end
  [requests[0], replies[1]].each(&:close)
  known = Object.constants
  eval(opening, TOPLEVEL_BINDING, 'prompt', 1)
  peer = HarnessTester.new(replies[0].fileno, requests[1].fileno)
  $harness_pipes = [requests, replies]
  peer.classes = (Object.constants - known).select { |name| Object.const_get(name).is_a?(Class) }.map(&:to_s)
  peer.start(code, tests, entry_point)
  yield
end
