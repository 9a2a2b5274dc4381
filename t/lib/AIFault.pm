# Copyright (C) nginx-ai-route contributors

package AIFault;

=head1 NAME

AIFault - drills, by the gateway's own paths

=head1 SYNOPSIS

    use AIRoute;
    use Test::Nginx::Socket 'no_plan';
    use AIFault;

    my $f = fault_begin(account => 'a', fault => 'status', ttl => '5s');
    is(fault_seen($f->{id})->{hit}, 0, 'nobody met it');
    fault_end($f->{id});

It needs C<location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }>.

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Exporter 'import';
use HTTP::Tiny ();
use JSON::PP ();

our @EXPORT = qw(fault_call fault_begin fault_end fault_seen fault_back
                 faults faults_end);

my $json = JSON::PP->new->utf8;

=over

=item fault_call(METHOD, PATH[, BODY[, BEARER]])

The answer of HTTP::Tiny, and its body as "json".  PATH comes after "/ai/";
the bearer is the right one if it is not given, and none if it is empty.

=cut

sub fault_call {
    my ($method, $path, $body, $bearer) = @_;
    my %o;

    $bearer = 's3cr3t' unless defined $bearer;
    $o{headers}{Authorization} = "Bearer $bearer" if $bearer ne '';
    $o{content} = $body if defined $body;

    my $r = HTTP::Tiny->new->request($method,
        'http://127.0.0.1:' . Test::Nginx::Util::server_port() . "/ai/$path",
        \%o);
    $r->{json} = eval { $json->decode($r->{content}) };
    return $r;
}

=item fault_begin(NAME => VALUE...)

Begins one: the fault as the gateway describes it.

=cut

sub fault_begin {
    my $r = fault_call('POST', 'faults', $json->encode({ @_ }));

    die "fault: $r->{status} $r->{content}\n" unless $r->{status} == 201;
    return $r->{json};
}

=item fault_seen(ID[, REQUESTS]), fault_back(ID)

One of them: at once, or when so many requests are counted or its account is
back, for which it waits up to 3 s (a request is counted when its connection is
closed).

=item fault_end(ID), faults(), faults_end()

One, ended; all of them; the active ones, ended.

=cut

sub fault_seen {
    my ($id, $n) = @_;
    my $f;

    AIRoute::wait_for(3, sub {
        $f = fault_call('GET', "faults/$id")->{json};
        return !$n || $f->{requests} >= $n;
    });
    return $f;
}

sub fault_back {
    my $id = shift;

    AIRoute::wait_for(3, sub { defined fault_seen($id)->{returned_ms} });
    return fault_seen($id);
}

sub fault_end { return fault_call('DELETE', "faults/$_[0]")->{json} }

sub faults { return @{ fault_call('GET', 'faults')->{json}{faults} } }

sub faults_end { fault_end($_->{id}) for grep { $_->{active} } faults() }

=back

=cut

1;
