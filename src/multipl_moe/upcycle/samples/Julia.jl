module Shapes

using LinearAlgebra: norm, dot
using Printf
import Base: show, length, +

export Shape, Circle, area, fit!

abstract type Shape end

struct Circle{T<:Real} <: Shape
    center::Vector{T}
    radius::T
    function Circle(center::Vector{T}, radius::T) where {T<:Real}
        radius >= 0 || throw(ArgumentError("radius must not be negative, got $radius"))
        new{T}(center, radius)
    end
end

mutable struct Model
    weights::Matrix{Float64}
    bias::Union{Nothing,Vector{Float64}}
    steps::Int
end

Model(n::Integer, m::Integer; bias=true) = Model(randn(n, m) ./ sqrt(m), bias ? zeros(n) : nothing, 0)

area(c::Circle) = π * c.radius^2
area(shapes::AbstractVector{<:Shape}) = sum(area, shapes; init=0.0)

function +(a::Circle, b::Circle)
    return Circle((a.center .+ b.center) ./ 2, hypot(a.radius, b.radius))
end

function show(io::IO, c::Circle)
    @printf(io, "Circle(%.2f at %s)", c.radius, string(c.center))
end


"""
    fit!(model, x, y; rate=0.1)

Move the weights of `model` against the gradient.
"""
function fit!(model::Model, x::AbstractMatrix, y::AbstractMatrix; rate::Float64=0.1, steps::Int=100)
    n = size(x, 2)
    for step in 1:steps
        predicted = model.weights * x
        if !isnothing(model.bias)
            predicted .+= model.bias
        end
        difference = predicted - y
        model.weights -= rate * (difference * x') / n
        @inbounds for i in eachindex(model.bias)
            model.bias[i] -= rate * sum(@view difference[i, :]) / n
        end
        loss = norm(difference)^2 / n
        if isnan(loss)
            @warn "no number" step loss
            break
        elseif loss < 1e-8
            return step
        end
    end
    model.steps += steps
    return nothing
end

const TABLE = Dict{String,Vector{Int}}("a" => [1, 2, 3], "b" => Int[])

function words(path::AbstractString)
    counts = Dict{String,Int}()
    open(path) do file
        for line in eachline(file), word in split(lowercase(line), r"[^a-z]+"; keepempty=false)
            counts[word] = get(counts, word, 0) + 1
        end
    end
    return sort!(collect(counts); by=last, rev=true)
end


macro twice(expression)
    quote
        $(esc(expression))
        $(esc(expression))
    end
end

function collatz(n::T)::Vector{T} where {T<:Integer}
    path = T[n]
    while n != 1
        n = iseven(n) ? n ÷ 2 : 3n + 1
        push!(path, n)
    end
    path
end

primes(n) = [p for p in 2:n if all(p % q != 0 for q in 2:isqrt(p))]

function read_number(text)
    try
        return parse(Float64, text)
    catch error
        error isa ArgumentError || rethrow()
        return missing
    finally
        println(stderr, "read: ", repr(text))
    end
end


end # module

using .Shapes
using Test

@testset "shapes" begin
    @test area(Circle([0.0, 0.0], 1.0)) ≈ π
    @test_throws ArgumentError Circle([0, 0], -1)
    @test length(Shapes.primes(20)) == 8
    c = Circle([1, 2], 3)
    @test typeof(c) === Circle{Int}
end

x = rand(3, 50); y = [1.0 2.0 3.0] * x
model = Shapes.Model(1, 3)
@time Shapes.fit!(model, x, y; steps=1_000)
A = [i + j for i in 1:3, j in 1:3]
B = map(v -> v > 3 ? v : zero(v), A)
s = "$(size(B)) and $(B[end, 1])"
println(join(filter(!iszero, vec(B)), ", "))
begin
    local total = 0
    for (i, v) in enumerate(B)
        v == 0 && continue
        total += i * v
    end
    @assert total > 0
end
