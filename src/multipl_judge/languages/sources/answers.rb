harness_code = "CODE"
eval(harness_code, TOPLEVEL_BINDING, 'solution', 1)
require 'json'
harness_show = lambda do |value|
  STDOUT.print("\nMARK", ::JSON.generate(value, allow_nan: true, max_nesting: 0), "\n")
  STDOUT.flush
end
CALLS
