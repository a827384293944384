package smpp

import "github.com/prometheus/client_golang/prometheus"

// metrics are the package's. Counters of PDUs are resolved beforehand into
// arrays, so that counting one costs neither an allocation nor a look-up by label.
type metrics struct {
	connections prometheus.Gauge
	sessions    [Transceiver + 1]prometheus.Gauge // by BindType
	received    [commandOther + 1]prometheus.Counter
	sent        [commandOther + 1]prometheus.Counter
	responses   [len(responseCommands)][]prometheus.Counter // by responseCommands, then by status()
	ends        [endReasons]prometheus.Counter
	buffered    prometheus.Gauge
	windowWaits prometheus.Counter
	unexpected  prometheus.Counter
	refused     [refusals]prometheus.Counter // but for admitted

	statusSmall [int(StatusInvDCS) + 1]uint8 // index into responses[i] of each status in use
}

// responseCommands are those whose outcome is worth a series: the rest have one
// outcome only.
var responseCommands = [...]CommandID{
	SubmitSMRespID, DeliverSMRespID, SubmitMultiRespID, DataSMRespID, QuerySMRespID, CancelSMRespID, ReplaceSMRespID,
	BindTransmitterRespID, BindReceiverRespID, BindTransceiverRespID, GenericNackID,
}

// countedStatuses is the closed list of the status label; all others are "other".
var countedStatuses = [...]Status{
	StatusOK, StatusInvMsgLen, StatusInvCmdLen, StatusInvCmdID, StatusInvBndSts, StatusAlyBnd, StatusSysErr,
	StatusInvSrcAdr, StatusInvDstAdr, StatusInvMsgID, StatusBindFail, StatusInvPaswd, StatusInvSysID,
	StatusCancelFail, StatusReplaceFail, StatusQueryFail, StatusMsgQFul, StatusInvNumDests, StatusInvDLName,
	StatusInvDestFlag, StatusCntSubDL, StatusInvSerTyp, StatusInvEsmClass, StatusSubmitFail, StatusThrottled, StatusInvSched, StatusInvExpiry,
	StatusInvDftMsgID, StatusXTAppn, StatusXPAppn, StatusXRAppn, StatusInvOptParStream, StatusInvParLen,
	StatusInvOptParamVal, StatusDeliveryFailure, StatusUnknownErr, StatusInvDCS,
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smppbridge_smpp_connections", Help: "Open connections, bound or not."}),
		buffered: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smppbridge_smpp_buffered_bytes", Help: "Octets read or waiting to be written, over all sessions."}),
		windowWaits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_smpp_window_waits_total", Help: "Times a session stopped reading because its submit window was full."}),
		unexpected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_smpp_unexpected_responses_total", Help: "Responses to no request of ours, or after its time-out."}),
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smppbridge_smpp_refused_connections_total", Help: "Connections closed at once because there were too many, by the limit."}, []string{"reason"})
	for r := admitted + 1; r < refusals; r++ {
		m.refused[r] = refused.WithLabelValues(r.String())
	}
	sessions := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "smppbridge_smpp_sessions", Help: "Bound sessions."}, []string{"bind_type"})
	pdus := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smppbridge_smpp_pdus_total", Help: "PDUs by direction (in, out) and command."}, []string{"direction", "command"})
	responses := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smppbridge_smpp_responses_total", Help: "Responses sent and received, by command and status."}, []string{"command", "status"})
	ends := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smppbridge_smpp_session_ends_total", Help: "Ended connections by reason."}, []string{"reason"})
	for t := Transmitter; t <= Transceiver; t++ {
		m.sessions[t] = sessions.WithLabelValues(t.String())
	}
	for i, name := range commandNames {
		m.received[i] = pdus.WithLabelValues("in", name)
		m.sent[i] = pdus.WithLabelValues("out", name)
	}
	m.resolveResponses(responses)
	for r := range endReasons {
		m.ends[r] = ends.WithLabelValues(r.String())
	}
	if reg != nil {
		reg.MustRegister(m.connections, sessions, pdus, responses, ends, m.buffered, m.windowWaits, m.unexpected, refused)
	}
	return m
}

func (m *metrics) resolveResponses(v *prometheus.CounterVec) {
	for i := range m.statusSmall {
		m.statusSmall[i] = uint8(len(countedStatuses))
	}
	for i, st := range countedStatuses {
		m.statusSmall[st] = uint8(i)
	}
	for i, id := range responseCommands {
		for _, st := range countedStatuses {
			m.responses[i] = append(m.responses[i], v.WithLabelValues(id.String(), st.String()))
		}
		m.responses[i] = append(m.responses[i], v.WithLabelValues(id.String(), "other"))
	}
}

// in counts a PDU from the ESME.
func (m *metrics) in(h *Header) {
	m.received[h.ID.index()].Inc()
	if h.ID.IsResponse() {
		m.response(h.ID, h.Status)
	}
}

// out counts a PDU to the ESME; st matters for responses only.
func (m *metrics) out(id CommandID, st Status) {
	m.sent[id.index()].Inc()
	if id.IsResponse() {
		m.response(id, st)
	}
}

func (m *metrics) response(id CommandID, st Status) {
	for i, known := range responseCommands {
		if known == id {
			m.responses[i][m.status(st)].Inc()
			return
		}
	}
}

func (m *metrics) status(st Status) int {
	if int64(st) < int64(len(m.statusSmall)) {
		return int(m.statusSmall[st])
	}
	return len(countedStatuses)
}
