require "json"
require "http/client"
require "./store/*"

module Store
  VERSION = "0.3.1"

  enum Level
    Low
    Middle
    High

    def to_s(io : IO) : Nil
      io << member_name.to_s.downcase
    end
  end

  abstract class Entry
    include JSON::Serializable

    getter name : String
    property level : Level = Level::Low
    getter? deleted = false

    @tags = [] of String
    @@count = 0

    def initialize(@name : String, @size : Int32 = 0)
      @@count += 1
    end

    def self.count : Int32
      @@count
    end

    abstract def open(path : String, &block : IO ->) : Int64?

    def <<(tag : String) : self
      @tags << tag unless @tags.includes?(tag)
      self
    end

    def each_tag(& : String -> _) : Nil
      @tags.each { |tag| yield tag }
    end
  end


  class FileEntry < Entry
    def open(path : String, & : IO ->) : Int64?
      return nil if deleted?
      File.open(path, "w") do |file|
        yield file
        file.size.to_i64
      end
    rescue ex : File::NotFoundError
      Log.error(exception: ex) { "no file #{path.inspect}" }
      nil
    ensure
      @size &+= 1
    end
  end

  struct Point(T)
    getter x : T, y : T

    def initialize(@x : T, @y : T)
    end

    def +(other : Point(T)) : Point(T)
      Point(T).new(x + other.x, y + other.y)
    end

    def distance(other : self) : Float64
      Math.sqrt(((x - other.x) ** 2 + (y - other.y) ** 2).to_f64)
    end
  end

  record Page, number : Int32, text : String?

  def self.fetch(url : String, limit = 10_u8) : Array(Page)
    pages = Array(Page).new
    channel = Channel(Page | Nil).new
    limit.times do |number|
      spawn do
        response = HTTP::Client.get("#{url}?page=#{number}")
        channel.send(response.success? ? Page.new(number.to_i32, response.body) : nil)
      end
    end
    limit.times do
      if page = channel.receive
        pages << page
      end
    end
    pages.sort_by!(&.number)
  end


  macro define_flags(*names)
    {% for name in names %}
      def {{name.id}}? : Bool
        @flags.includes?({{name.stringify}})
      end
    {% end %}
  end

  class Index
    define_flags ready, locked

    @flags = Set(String).new
    @entries : Hash(String, Entry) = {} of String => Entry

    def [](key : String) : Entry
      @entries[key]? || raise KeyError.new("no entry #{key}")
    end

    def []=(key : String, entry : Entry)
      @entries[key] = entry
    end

    def largest(n : Int = 1) : Array({String, Int32})
      @entries.map { |key, entry| {key, entry.name.size} }
        .select { |(_, size)| size > 0 }
        .sort_by { |pair| -pair[1] }
        .first(n)
    end

    def sum : UInt64
      total = 0_u64
      i = 0
      while i < @entries.size
        value = @entries.values[i]
        case value
        when FileEntry then total += value.name.bytesize.to_u64
        when .deleted? then break
        else                raise "not known: #{typeof(value)}"
        end
        i += 1
      end
      total
    end
  end
end


describe Store::Index do
  index = Store::Index.new

  it "finds what was put in" do
    index["a"] = Store::FileEntry.new("first", size: 3)
    index["a"].name.should eq("first")
    index["a"].as(Store::FileEntry).deleted?.should be_false
  end

  it "raises for others" do
    expect_raises(KeyError, /no entry/) { index["b"] }
    index.largest(2).should eq [{"a", 5}]
  end
end

lib LibC
  fun getpid : Int32
  alias Handle = Void*
end

line = gets.try(&.chomp) || ""
numbers = line.split(' ', remove_empty: true).compact_map(&.to_i?)
puts "sum: %d" % numbers.sum
puts({numbers.min?, numbers.max?}.inspect) if numbers.any?
pointer = Pointer(UInt8).malloc(16)
slice = Slice.new(pointer, 16)
slice[0] = 'a'.ord.to_u8!
STDOUT.puts String.new(slice[0, 1])
