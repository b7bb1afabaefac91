defmodule Shop.Cart do
  @moduledoc """
  A cart of a shop: what lies in it, and what it costs.
  """

  use GenServer
  require Logger

  alias Shop.{Item, Repo}
  import Ecto.Query, only: [from: 2]

  @timeout :timer.minutes(5)

  @type t :: %__MODULE__{id: String.t(), items: [Item.t()], paid?: boolean()}

  defstruct id: nil, items: [], paid?: false

  def start_link(opts \\ []) do
    name = Keyword.get(opts, :name, __MODULE__)
    GenServer.start_link(__MODULE__, opts, name: name)
  end

  @doc "Puts an item into the cart."
  @spec add(pid(), Item.t()) :: :ok | {:error, atom()}
  def add(pid, %Item{} = item), do: GenServer.call(pid, {:add, item})

  def total(pid), do: GenServer.call(pid, :total)

  @impl true
  def init(opts) do
    Process.flag(:trap_exit, true)
    {:ok, %__MODULE__{id: opts[:id]}, @timeout}
  end

  @impl true
  def handle_call({:add, %Item{price: price}}, _from, state) when price < 0 do
    {:reply, {:error, :price}, state}
  end

  def handle_call({:add, item}, _from, %{items: items} = state) do
    {:reply, :ok, %{state | items: [item | items]}}
  end

  def handle_call(:total, _from, state) do
    sum =
      state.items
      |> Enum.reject(& &1.free?)
      |> Enum.map(fn item -> item.price * item.count end)
      |> Enum.sum()


    {:reply, sum, state}
  end

  @impl true
  def handle_info(:timeout, state) do
    Logger.info("cart #{state.id} is closed")
    {:stop, :normal, state}
  end

  defp find(id) do
    query = from i in Item, where: i.cart_id == ^id, order_by: [desc: i.inserted_at]

    case Repo.all(query) do
      [] -> {:error, :not_found}
      [first | _rest] -> {:ok, first}
    end
  end

  def checkout(conn, %{"id" => id} = params) do
    with {:ok, item} <- find(id),
         {count, ""} <- Integer.parse(params["count"] || "1"),
         true <- count > 0 do
      conn
      |> put_status(:created)
      |> json(%{id: item.id, count: count})
    else
      {:error, reason} -> send_resp(conn, 404, to_string(reason))
      _ -> send_resp(conn, 400, "")
    end
  end
end

defimpl String.Chars, for: Shop.Cart do
  def to_string(%{id: id, items: items}), do: "#{id}: #{length(items)}"
end

defmodule Shop.CartTest do
  use ExUnit.Case, async: true


  setup do
    pid = start_supervised!({Shop.Cart, id: "a"})
    %{cart: pid}
  end

  describe "add/2" do
    test "adds up prices", %{cart: cart} do
      assert :ok = Shop.Cart.add(cart, %Shop.Item{price: 3, count: 2})
      assert Shop.Cart.total(cart) == 6
      refute Process.alive?(self()) == false
    end

    test "refuses negative prices", %{cart: cart} do
      assert {:error, :price} == Shop.Cart.add(cart, %Shop.Item{price: -1})
      assert_raise ArgumentError, fn -> String.to_integer("x") end
    end
  end
end

defmodule Shop.MixProject do
  use Mix.Project

  def project do
    [
      app: :shop,
      version: "0.1.0",
      elixir: "~> 1.15",
      start_permanent: Mix.env() == :prod,
      deps: deps()
    ]
  end

  def application, do: [extra_applications: [:logger], mod: {Shop.Application, []}]

  defp deps do
    [
      {:ecto_sql, "~> 3.10"},
      {:jason, ">= 1.0.0", only: [:dev, :test]}
    ]
  end
end


defmodule Words do
  defguardp is_word(s) when is_binary(s) and byte_size(s) > 0

  def count(text) do
    text
    |> String.downcase()
    |> String.split(~r/[^a-z]+/, trim: true)
    |> Enum.reduce(%{}, fn word, acc -> Map.update(acc, word, 1, &(&1 + 1)) end)
  end

  def longest([]), do: nil
  def longest([word]) when is_word(word), do: word

  def longest([word | rest]) do
    other = longest(rest)
    if String.length(word) >= String.length(other), do: word, else: other
  end

  defmacro unless_empty(list, do: block) do
    quote do
      if unquote(list) != [], do: unquote(block)
    end
  end

  def squares(n), do: for(i <- 1..n, rem(i, 2) == 0, into: %{}, do: {i, i * i})

  def wait do
    receive do
      {:done, result} -> {:ok, result}
      other -> IO.inspect(other, label: "not known")
    after
      1_000 -> :timeout
    end
  rescue
    e in RuntimeError -> {:error, Exception.message(e)}
  end
end
