# Writes vectors of Ruby's Marshal: hashes as sessions have them.
#
#   ruby make_marshal.rb > marshal.json

require "bigdecimal"
require "date"
require "json"
require "ostruct"
require "set"
require "active_support/all"

shared = ["a", "b"]
loop_ = []
loop_ << loop_
deep = []
100.times { deep = [deep] }
bomb = ["x" * 50]
20.times { bomb = [bomb, bomb] }
numbers = [0, 1, 122, 123, 255, 256, 65_535, 65_536, 2**24, 2**30 - 1, 2**30, 2**31, 2**32, 2**62, 2**63, 2**64, 2**80, 2**200]
with_default = Hash.new(5)
with_default["a"] = 1

KEPT = {
  "empty" => {},
  "text" => { "a" => "Grüße 🧥\n\"\\", "" => "", "long" => "x" * 300, "ascii" => "x".encode("US-ASCII"), "binary" => "x".b },
  "constants" => { "t" => true, "f" => false, "n" => nil },
  "integers" => numbers.flat_map { |n| [[n.to_s, n], [(-n - 1).to_s, -n - 1]] }.to_h,
  "floats" => { "a" => 1.5, "b" => -0.0, "c" => 5e-324, "d" => 1e308, "e" => 3.0, "f" => 0.1 },
  "arrays" => { "a" => [1, [2, [3, []]], {}] },
  "hashes" => { "a" => { "b" => { "c" => nil } }, "default" => with_default },
  "symbols" => { a: [:b, :b, :größe, :größe], c: { d: :a } },
  "shared" => { "a" => shared, "b" => shared, "c" => [shared, shared[0], 2**80], "d" => shared[1] },
  "indifferent" => { "a" => ActiveSupport::HashWithIndifferentAccess.new(b: 1) },
}
TIMES = { "utc" => Time.utc(2026, 1, 2, 3, 4, 5, 6), "zone" => Time.new(2026, 1, 2, 3, 4, 5, "-03:30"), "after" => "x", "again" => shared, "shared" => shared }
TIMES_WANT = { "utc" => "2026-01-02T03:04:05.000006Z", "zone" => "2026-01-02T06:34:05Z", "after" => "x", "again" => shared, "shared" => shared }
POINT = Struct.new(:x)

REFUSED = {
  "object" => [{ "a" => OpenStruct.new(b: 1) }, "the class OpenStruct"],
  "struct" => [{ "a" => POINT.new([1]) }, "the class POINT"],
  "Set" => [{ "a" => Set.new([1]) }, "the class Set"],
  "Date" => [{ "a" => Date.new(2026, 1, 2) }, "the class Date"],
  "BigDecimal" => [{ "a" => BigDecimal("1.5") }, "the class BigDecimal"],
  "zone" => [{ "a" => Time.utc(2026).in_time_zone("UTC") }, "the class ActiveSupport::TimeWithZone"],
  "class" => [{ "a" => String }, "the class String"],
  "module" => [{ "a" => Kernel }, "the class Kernel"],
  "regexp" => [{ "a" => /x/i }, "the class Regexp"],
  "rational" => [{ "a" => 1r / 3 }, "the class Rational"],
  "encoding" => [{ "a" => "ü".encode("ISO-8859-1") }, "the encoding"],
  "extended" => [{ "a" => [].extend(Comparable) }, "the class Comparable"],
  "loop" => [{ "a" => loop_ }, "values deeper"],
  "deep" => [{ "a" => deep }, "values deeper"],
  "bomb" => [{ "a" => bomb }, "more than"],
  "nan" => [{ "a" => Float::NAN }, "NaN"],
  "infinity" => [{ "a" => -Float::INFINITY }, "NaN"],
  "two keys" => [{ "a" => { a: 1, "a" => 2 } }, "two keys"],
  "array as a key" => [{ "a" => { [1] => 3 } }, "a key that is no text"],
  "array" => [[1], "no hash"],
}

def vector(name, value)
  { name: name, data: [Marshal.dump(value)].pack("m0") }
end

out = KEPT.map { |name, value| vector(name, value).merge(values: JSON.parse(JSON.generate(value))) }
out << vector("times", TIMES).merge(values: TIMES_WANT)
# What follows an object is read right, too: its numbers are counted.
out << vector("after", { "a" => OpenStruct.new(b: "c"), "b" => shared, "c" => shared, "d" => Date.new(2026), "e" => [shared, shared[1]] })
  .merge(values: { "b" => shared, "c" => shared, "e" => [shared, "b"] }, refused: "the class OpenStruct")
numbered = ["q"]
out << vector("after a dump", { "a" => BigDecimal("1"), "b" => numbered, "c" => numbered, "d" => numbered[0] })
  .merge(values: { "b" => numbered, "c" => numbered, "d" => "q" }, refused: "the class BigDecimal")
REFUSED.each { |name, (value, why)| out << vector(name, value).merge(refused: why) }
puts JSON.pretty_generate(by: "Ruby #{RUBY_VERSION}", vectors: out)
