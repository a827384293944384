//go:build !race

package smpp_test

// raceEnabled says that time and memory are the race detector's.
const raceEnabled = false
