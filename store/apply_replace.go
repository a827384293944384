package store

// replace applies a Replace.
func (t *txn) replace(c *Replace) *ReplaceResult {
	was, ok := t.status(c.Number)
	if !ok || was.Revision != c.Revision || !was.Action.Sends() {
		return &ReplaceResult{Code: ReplaceLate}
	}
	raw, v := t.message(c.Number)
	if v.flags&(hasParts|hasSegment) != 0 { // its text is not one message's
		return &ReplaceResult{Code: ReplaceLate}
	}
	if p := c.Message.PolicyVersion; p != 0 && p != t.meta.policy {
		return &ReplaceResult{Code: ReplaceStalePolicy}
	}
	old, err := decodeMessage(raw)
	t.fail(err)
	if v.digest != nil {
		t.forget(c.Number, &v, was.AcceptedAt)
	}
	raw = appendMessage(nil, replaced(&old, &c.Message))
	t.put(bktMessages, key8(uint64(c.Number)), raw)
	d := decoder{b: raw}
	v = d.view()
	next := was
	next.Action, next.DueAt = v.send(), sendDue(t.at, &v)
	t.move(c.Number, &was, next)
	t.view.touch(WatchSend) // who had it at the old revision looks again, also when it is due as before
	return &ReplaceResult{Code: ReplaceOK}
}

// replaced is old with what a replace_sm changes, from m. All else that m says is not looked at:
// who sent the message to whom, the message_id it goes by and what waits for it stay. It has no
// digest any more: the text that came with it may come again.
func replaced(old, m *Message) *Message {
	r := *old
	r.RegisteredDelivery, r.Class, r.SignName, r.TemplateCode = m.RegisteredDelivery, m.Class, m.SignName, m.TemplateCode
	r.Params, r.Text, r.KeepText, r.Wants = m.Params, m.Text, m.KeepText, m.Wants
	r.Urgent, r.Preferred, r.PolicyVersion = m.Urgent, m.Preferred, m.PolicyVersion
	r.SendAt, r.Expires = m.SendAt, m.Expires
	r.Digest, r.DedupeFor = [16]byte{}, 0
	return &r
}
