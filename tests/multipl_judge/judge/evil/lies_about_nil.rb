def double_number(n)
  Class.new { def nil? = true }.new
