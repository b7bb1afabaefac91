# Loads rubygems, half of the interpreter's start, only for a program that asks for it or for a gem.
Object.autoload(:Gem, 'rubygems')

module Kernel
  alias_method :require_without_gems, :require
  private :require_without_gems

  def require(name)
    require_without_gems(name)
  rescue LoadError
    raise unless Object.autoload?(:Gem)
    Gem
    require(name)
  end
  private :require
end
