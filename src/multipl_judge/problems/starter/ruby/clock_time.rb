# Returns a number of seconds as hours, minutes and seconds.
#
# Minutes and seconds have two digits each, hours as many as they need.
#
#   clock_time(3665) # => "1:01:05"
def clock_time(seconds)
# --- solution
  format("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
end
