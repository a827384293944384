// An ESME made of npm's smpp. It reads a job from standard input (see texts.go), submits its messages,
// waits for a receipt of each message_id, unbinds, and writes what it saw as one JSON object a line.
'use strict';

const smpp = require('smpp');
const job = JSON.parse(require('fs').readFileSync(0, 'utf8'));

// The library calls GSM 03.38 ASCII. It is data_coding 0 here; with none named (auto) the library detects one.
const codings = { auto: null, gsm: 0, latin1: smpp.ENCODING.LATIN1, ucs2: smpp.ENCODING.UCS2 };
const texts = { gsm: smpp.encodings.ASCII, latin1: smpp.encodings.LATIN1, ucs2: smpp.encodings.UCS2 };
const waiting = new Set(); // message_ids whose receipt has not come
let early = []; // receipts that overtook the callback of their submit_sm_resp
let reference = 0;
let delivered; // the message_id of one whose receipt will have come
let ending = false; // from here on sessions may close

function say(event) {
	process.stdout.write(JSON.stringify(event) + '\n');
}

function fail(err) {
	console.error(String((err && err.message) || err));
	process.exit(1);
}

// bind resolves with the session and the status of the bind_resp.
function bind(how, password) {
	return new Promise((resolve) => {
		const session = smpp.connect({ host: job.host, port: job.port, auto_enquire_link_period: 500 }, () => {
			session[how]({ system_id: job.system_id, password: password }, (pdu) => resolve({ session, pdu }));
		});
		session.on('error', fail);
		session.on('close', () => ending || fail('the session ended'));
		session.on('deliver_sm', (pdu) => {
			session.send(pdu.response());
			receipt(pdu);
		});
	});
}

// octets is what a library decoded to a Buffer or to a string.
function octets(v) {
	return Buffer.isBuffer(v) ? v.toString('latin1').replace(/\0$/, '') : String(v);
}

function receipt(pdu) {
	const id = octets(pdu.receipted_message_id);
	say({
		event: 'receipt', esm_class: pdu.esm_class, source: pdu.source_addr, dest: pdu.destination_addr,
		text: octets(pdu.short_message.message), tlv_id: id, tlv_state: pdu.message_state,
	});
	if (!waiting.delete(id)) {
		early.push(id);
	}
}

// pdus are the submit_sm of a message: as many as its parts.
function pdus(m) {
	const base = {
		source_addr: job.source, destination_addr: m.to, registered_delivery: 1,
		dest_addr_ton: 1, dest_addr_npi: 1, data_coding: codings[m.coding],
	};
	switch (m.form) {
	case 'payload': // short_message stays empty
		return [Object.assign(base, { message_payload: texts[m.coding].encode(m.text) })];
	case 'flash': // the library encodes by data_coding, and knows none with a message class
		return [Object.assign(base, { data_coding: m.coding === 'ucs2' ? 0x18 : 0x10, short_message: texts[m.coding].encode(m.text) })];
	case 'parts':
		return parts(m, base);
	}
	return [Object.assign(base, { short_message: m.text })];
}

// parts cuts the octets of a text without looking at its characters, as careless clients do.
function parts(m, base) {
	const all = texts[m.coding].encode(m.text);
	const size = m.coding === 'ucs2' ? 134 : 153;
	const total = Math.ceil(all.length / size);
	reference++;
	return Array.from({ length: total }, (_, i) => Object.assign({}, base, {
		short_message: {
			udh: Buffer.from([5, 0, 3, reference, total, i + 1]),
			message: all.slice(i * size, (i + 1) * size),
		},
	}));
}

function submit(session, name, pdu) {
	return new Promise((resolve) => session.submit_sm(pdu, (resp) => {
		say({ event: 'resp', name: name, status: resp.command_status, id: resp.message_id || '' });
		if (resp.command_status === 0) {
			delivered = delivered || resp.message_id;
		}
		if (resp.command_status === 0 && !early.includes(resp.message_id)) {
			waiting.add(resp.message_id);
		}
		resolve();
	}));
}

function request(session, command, params) {
	return new Promise((resolve) => session[command](params, resolve));
}

// operate does what there is besides submit_sm: see operations.go.
async function operate(session, o) {
	const say1 = (name, resp, more) => say(Object.assign(
		{ event: 'operation', name: name, status: resp.command_status, id: resp.message_id || '' }, more));
	const query = async (name, id) => {
		const resp = await request(session, 'query_sm', { message_id: id, source_addr: job.source });
		say1(name, resp, { state: resp.message_state, text: octets(resp.final_date ? 'final' : '') });
	};
	await query('query_sm of a delivered message', delivered);

	const scheduled = await request(session, 'submit_sm', {
		source_addr: job.source, destination_addr: o.scheduled, data_coding: 0,
		schedule_delivery_time: '000000010000000R', short_message: 'Not yet',
	});
	say1('submit_sm in an hour', scheduled);
	const id = scheduled.message_id;
	// data_coding is no parameter of replace_sm: the library would not know how to encode a string.
	say1('replace_sm', await request(session, 'replace_sm', {
		message_id: id, source_addr: job.source, schedule_delivery_time: '000000020000000R', short_message: Buffer.from('Still not'),
	}));
	await query('query_sm of a scheduled message', id);
	say1('cancel_sm', await request(session, 'cancel_sm', { message_id: id, source_addr: job.source, destination_addr: o.scheduled }));
	await query('query_sm of a cancelled message', id);

	const multi = await request(session, 'submit_multi', {
		source_addr: job.source, data_coding: 0, short_message: o.text,
		dest_address: o.multi.map((to) => ({ dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: to })),
	});
	say1('submit_multi', multi, {
		state: (multi.unsuccess_sme || []).length,
		text: (multi.unsuccess_sme || []).map((u) => u.destination_addr + ':' + u.error_status_code).join(),
	});

	const data = await request(session, 'data_sm', {
		source_addr: job.source, destination_addr: o.data, registered_delivery: 1, data_coding: 0, message_payload: o.text,
	});
	say1('data_sm', data);
	if (data.command_status === 0 && !early.includes(data.message_id)) {
		waiting.add(data.message_id);
	}
}

// receipts waits until none is missing.
function receipts() {
	return new Promise((resolve) => {
		const timer = setInterval(() => {
			if (waiting.size === 0) {
				clearInterval(timer);
				resolve();
			}
		}, 20);
	});
}

async function unbind(session) {
	await new Promise((resolve) => session.unbind(resolve));
	await new Promise((resolve) => session.close(resolve));
}

async function main() {
	const refused = await bind('bind_transceiver', 'wrong');
	say({ event: 'refused_bind', status: refused.pdu.command_status });
	refused.session.removeAllListeners('close');
	refused.session.destroy();

	const sessions = [];
	for (const how of job.binds) {
		const { session, pdu } = await bind('bind_' + how, job.password);
		say({ event: 'bind', status: pdu.command_status });
		sessions.push(session);
	}
	// All at once: the library has no window of its own.
	await Promise.all(job.messages.flatMap((m) => pdus(m).map((pdu) => submit(sessions[0], m.name, pdu))));
	await receipts();
	await operate(sessions[0], job.operations);
	await receipts();
	ending = true;
	for (const session of sessions) {
		await unbind(session);
	}
}

main().then(() => process.exit(0), fail);
