# Returns the area of a rectangle with the given sides.
#
#   rectangle_area(3, 4) # => 12
def rectangle_area(width, height)
# --- solution
  width * height
end
