# Returns a number of seconds as hours, minutes and seconds.
#
# Minutes and seconds have two digits each, hours as many as they need.
#
#   clock_time(3665) # => "1:01:05"
def clock_time(seconds)
# --- solution
  format("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
end
# --- tests
assert_equal("1:01:05", clock_time(3665))
assert_equal("0:00:59", clock_time(59))
assert_equal("0:00:00", clock_time(0))
assert_equal("0:10:00", clock_time(600))
assert_equal("23:59:59", clock_time(86399))
assert_equal("100:00:00", clock_time(360000))
