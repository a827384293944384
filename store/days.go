package store

// A DayCount counts the messages that were sent in a day of UTC+8 by a route with a template, as far as they are known.
// What became of a message is counted for the day of the attempt that sent it, whenever it was known.
type DayCount struct {
	Day       string // yyyymmdd
	Route     string
	Template  string
	Sent      uint64 // the API accepted them
	Segments  uint64 // of those that are Sent: what the API bills
	Delivered uint64 // of those that are Sent, as the next two; the rest is not known yet
	Failed    uint64
	Unknown   uint64
	Uncertain uint64 // may have been sent, and were given up without being known: not of those that are Sent
}

// Days returns the counts of the days from and to and those between them, in order of day, route and template. Counts are kept for 40 days.
func (s *Store) Days(from, to string) ([]DayCount, error) { return nil, nil }
