# An ESME made of Perl's Net::SMPP. It reads a job from standard input (see script.go), submits its
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
        $waiting{$id} = 1 if $resp->status == 0 && !$early{$id};
    }
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
my $receiver = $sessions[-1];
while (%waiting) {
    my $pdu = $receiver->read_pdu() or die "no receipt: the session ended\n";
    my $handler = $handlers->{ $pdu->{cmd} } or next;
    $handler->($receiver, $pdu);
}
for my $smpp (@sessions) {
    $smpp->unbind() or die "no unbind_resp\n";
    close $smpp;
}
