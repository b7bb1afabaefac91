package main

import "testing"

// fewestCoins returns the smallest number of coins that make amount, or -1 if none do.
// Of each kind of coin there are as many as needed.
//
//	fewestCoins([]int{1, 3, 4}, 6) == 2
//	fewestCoins([]int{5}, 3) == -1
func fewestCoins(coins []int, amount int) int {
// --- solution
	fewest := []int{0}
	for value := 1; value <= amount; value++ {
		best := -1
		for _, coin := range coins {
			if coin > value || fewest[value-coin] < 0 {
				continue
			}
			if best < 0 || fewest[value-coin]+1 < best {
				best = fewest[value-coin] + 1
			}
		}
		fewest = append(fewest, best)
	}
	return fewest[amount]
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		coins        []int
		amount, want int
	}{
		{[]int{1, 3, 4}, 6, 2},
		{[]int{5}, 3, -1},
		{[]int{}, 0, 0},
		{[]int{1, 5, 10}, 0, 0},
		{[]int{1, 7, 10}, 14, 2},
		{[]int{10, 2, 5}, 27, 4},
		{[]int{9, 6}, 20, -1},
		{[]int{}, 7, -1},
		{[]int{7, 13}, 100, 10},
	}
	for _, c := range cases {
		if got := fewestCoins(c.coins, c.amount); got != c.want {
			t.Fatalf("fewestCoins(%v, %v) = %v, want %v", c.coins, c.amount, got, c.want)
		}
	}
}
