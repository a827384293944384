# An ESME made of Perl's Net::SMPP. It reads a job from standard input (see texts.go), submits its
# messages one after the other, waits for a receipt of each message_id, unbinds, and writes what it saw as
# one JSON object a line.
use strict;
use warnings;
use utf8;
use Encode qw(encode);
use JSON::PP;
use Net::SMPP;

$| = 1;
my $job = decode_json(do { local $/; <STDIN> });
my $json = JSON::PP->new->utf8->canonical;
my %waiting;    # message_ids whose receipt has not come
my %early;      # receipts that came while another submit_sm waited for its answer
my $reference = 0;
my $delivered;  # the message_id of one whose receipt will have come

my %dcs = (auto => 0, gsm => 0, latin1 => 3, ucs2 => 8);
my %alphabet = (auto => 'gsm0338', gsm => 'gsm0338', latin1 => 'iso-8859-1', ucs2 => 'UTF-16BE');

sub say_event { print $json->encode({@_}), "\n" }

# Without a handler the library throws away what it meets while it waits for a response.
my $handlers = {
    Net::SMPP::CMD_deliver_sm()   => \&receipt,
    Net::SMPP::CMD_enquire_link() => sub { $_[0]->enquire_link_resp(seq => $_[1]->{seq}) },
};

sub receipt {
    my ($smpp, $pdu) = @_;
    $smpp->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
    (my $id = $pdu->{receipted_message_id} // '') =~ s/\0$//;
    my $state = $pdu->{message_state};
    say_event(event => 'receipt', esm_class => $pdu->{esm_class}, source => $pdu->{source_addr},
        dest => $pdu->{destination_addr}, text => $pdu->{short_message}, tlv_id => $id,
        tlv_state => defined $state ? ord($state) : -1);
    delete $waiting{$id} or $early{$id} = 1;
}

sub bind_as {
    my ($how, $password, $version) = @_;
    my $method = "new_$how";
    my ($smpp, $resp) = Net::SMPP->$method($job->{host}, port => $job->{port}, system_id => $job->{system_id},
        password => $password, interface_version => $version, handlers => $handlers);
    die "bind_$how: no connection: $!\n" unless $smpp && $resp;
    return ($smpp, $resp);
}

# bodies returns what tells the submit_sm of a message apart: as many as its parts.
sub bodies {
    my ($m) = @_;
    my $octets = encode($alphabet{$m->{coding}}, $m->{text}, Encode::FB_CROAK | Encode::LEAVE_SRC);
    my $dcs = $dcs{$m->{coding}};
    return { data_coding => $dcs, message_payload => $octets } if $m->{form} eq 'payload';
    return { data_coding => $dcs | 0x10, short_message => $octets } if $m->{form} eq 'flash';
    return { data_coding => $dcs, short_message => $octets } if $m->{form} ne 'parts';
    my $size = $m->{coding} eq 'ucs2' ? 134 : 153;
    my @pieces = unpack("(a$size)*", $octets);    # also through the middle of a character
    $reference++;
    my $seq = 0;
    return map { { data_coding => $dcs, esm_class => 0x40,
            short_message => pack('C6', 5, 0, 3, $reference, scalar @pieces, ++$seq) . $_ } } @pieces;
}

sub submit {
    my ($smpp, $m) = @_;
    for my $body (bodies($m)) {
        my $resp = $smpp->submit_sm(source_addr => $job->{source}, destination_addr => $m->{to},
            registered_delivery => 1, %$body) or die "no submit_sm_resp\n";
        my $id = $resp->message_id // '';
        say_event(event => 'resp', name => $m->{name}, status => $resp->status, id => $id);
        await_receipt($resp);
        $delivered //= $id if $resp->status == 0;
    }
}

sub await_receipt {
    my ($resp) = @_;
    $waiting{ $resp->message_id } = 1 if $resp->status == 0 && !$early{ $resp->message_id };
}

sub receipts {
    my ($smpp) = @_;
    while (%waiting) {
        my $pdu = $smpp->read_pdu() or die "no receipt: the session ended\n";
        my $handler = $handlers->{ $pdu->{cmd} } or next;
        $handler->($smpp, $pdu);
    }
}

# operate does what there is besides submit_sm: see operations.go.
sub operate {
    my ($smpp, $o) = @_;
    my @from = (source_addr => $job->{source});
    my $say = sub {
        my ($name, $resp, @more) = @_;
        say_event(event => 'operation', name => $name, status => $resp->status, id => $resp->{message_id} // '', @more);
    };
    my $query = sub {
        my ($name, $id) = @_;
        my $resp = $smpp->query_sm(@from, message_id => $id) or die "no query_sm_resp\n";
        $say->($name, $resp, state => $resp->{message_state}, text => length $resp->{final_date} ? 'final' : '');
    };
    $query->('query_sm of a delivered message', $delivered);

    my $scheduled = $smpp->submit_sm(@from, destination_addr => $o->{scheduled},
        schedule_delivery_time => '000000010000000R', short_message => 'Not yet');
    $say->('submit_sm in an hour', $scheduled);
    my $id = $scheduled->message_id;
    $say->('replace_sm', $smpp->replace_sm(@from, message_id => $id,
            schedule_delivery_time => '000000020000000R', short_message => 'Still not'));
    $query->('query_sm of a scheduled message', $id);
    $say->('cancel_sm', $smpp->cancel_sm(@from, message_id => $id, destination_addr => $o->{scheduled}));
    $query->('query_sm of a cancelled message', $id);

    my $multi = $smpp->submit_multi(@from, destination_addr => $o->{multi}, short_message => $o->{text});
    my @failed = map { "$multi->{destination_addr}[$_]:$multi->{error_status_code}[$_]" } 0 .. ($multi->{no_unsuccess} // 0) - 1;
    $say->('submit_multi', $multi, state => scalar @failed, text => join(',', @failed));

    my $data = $smpp->data_sm(@from, destination_addr => $o->{data}, registered_delivery => 1, message_payload => $o->{text});
    $say->('data_sm', $data);
    await_receipt($data);
}

my (undef, $refused) = bind_as('transceiver', 'wrong', 0x34);
say_event(event => 'refused_bind', status => $refused->status);

my @sessions;
for my $how (@{ $job->{binds} }) {
    my ($smpp, $resp) = bind_as($how, $job->{password}, hex $job->{version});
    say_event(event => 'bind', status => $resp->status);
    push @sessions, $smpp;
}
submit($sessions[0], $_) for @{ $job->{messages} };
for my $smpp (@sessions) {
    my $resp = $smpp->enquire_link() or die "no enquire_link_resp\n";
}
receipts($sessions[-1]);
operate($sessions[0], $job->{operations});
receipts($sessions[-1]);
for my $smpp (@sessions) {
    $smpp->unbind() or die "no unbind_resp\n";
    close $smpp;
}
