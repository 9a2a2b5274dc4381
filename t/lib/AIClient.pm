# Copyright (C) nginx-ai-route contributors

package AIClient;

=head1 NAME

AIClient - a client of the gateway that misses nothing

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute providers => ['a'];
    use Test::Nginx::Socket 'no_plan';
    use AIClient;

    my $r = ask(model => 'm', stream => 1);
    is("$r->{status} $r->{complete}", '200 1', 'served');

    my @r = load(rate => 50, seconds => 2, each => sub { (stream => 1) });
    is(statuses(@r), '200:100', 'all are served');

Each request has a connection of its own and an X-Request-ID.  It leaves when
its socket is closed:

    my $q = open_request(class => 'batch');
    close $q->{socket};

=head2 Arguments of a request

    model, class, stream   "m", no X-AI-Class, 0
    more                   members of the body before "messages"
    body                   the whole body instead
    method, path           POST, /v1/chat/completions
    type                   application/json, the Content-Type
    head                   more lines of the head, each with its CRLF; with a
                           Content-Length or Transfer-Encoding there is no
                           other
    version                1.0; 1.1; 2 and 3: by curl, to the port in the
                           environment variable TEST_NGINX_H2 or TEST_NGINX_H3
    max                    seconds after which a client of version 2 or 3
                           leaves
    port                   instead of the gateway's
    wait                   seconds in which it does not read, with little room
                           in its socket

Others are kept as they are.

=head2 What an answer has

The arguments of its request, and

    id          the request's id
    status      0 if there was none
    h           the headers, names in lower case
    body        without chunks
    complete    true if the body had the end that its head had announced
    start       time when it was sent
    at          seconds from then to each piece that came
    took        seconds until the end, 99 if it did not come within 25
    raw         all that came, as it came (not of versions 2 and 3)

Answers of the class 1xx are skipped only where "port" is given: the gateway
must not send any.

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Exporter 'import';
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use Socket qw(SO_RCVBUF);
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    open_request answer answers ask ask_all direct load
    trail way hits statuses error_code
    within between none_waited same normal
);

my $id = 0;

=over

=item open_request(NAME => VALUE...)

Sends a request; answer() takes it.

=cut

sub open_request {
    my %o = (method => 'POST', path => '/v1/chat/completions', model => 'm',
             version => '1.1', head => '', more => '', max => 15,
             type => 'application/json', @_);
    my $content = defined $o{body} ? $o{body}
        : qq({"model":"$o{model}",)
          . ($o{stream} ? '"stream":true,' : '') . qq($o{more}"messages":[]});

    %o = (%o, raw => '', at => [], took => 99, id => 'r' . ++$id . "-$$");
    $o{head} .= "X-AI-Class: $o{class}\r\n" if defined $o{class};
    $o{start} = time();
    $o{socket} = $o{version} >= 2 ? curl(\%o, $content)
                                  : talk(\%o, $content);
    return \%o;
}

sub talk {
    my ($o, $content) = @_;
    my @small = $o->{wait} ? (Sockopts => [[SO_RCVBUF, 4096]]) : ();
    my $port = $o->{port} || Test::Nginx::Util::server_port();
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  @small)
        or die "cannot connect to port $port: $!\n";
    my $length = $o->{head} =~ /^(?:Content-Length|Transfer-Encoding):/mi
                 ? '' : 'Content-Length: ' . length($content) . "\r\n";

    print $s "$o->{method} $o->{path} HTTP/$o->{version}\r\nHost: gateway\r\n",
             "Content-Type: $o->{type}\r\nConnection: close\r\n",
             "X-Request-ID: $o->{id}\r\n$o->{head}$length\r\n", $content;
    return $s;
}

# what comes is read from files when curl is done

sub curl {
    my ($o, $content) = @_;
    my $file = AIRoute::tmp_dir() . "/$o->{id}";
    my @protocol = $o->{version} == 2 ? '--http2-prior-knowledge'
                                      : ('--http3-only', '--insecure');
    my $site = $o->{version} == 2 ? "http://127.0.0.1:$ENV{TEST_NGINX_H2}"
                                  : "https://127.0.0.1:$ENV{TEST_NGINX_H3}";

    open my $fh, '-|', 'curl', '-sSN', @protocol, '-m', $o->{max},
         '-D', "$file.head", '-o', "$file.body", '--stderr',
         "$file.err", '-w', '%{time_total}', '-X', $o->{method},
         '-H', "X-Request-ID: $o->{id}", '-H', 'Expect:',
         '-H', "Content-Type: $o->{type}",
         (map { ('-H', $_) } split /\r\n/, $o->{head}),
         '--data-binary', $content,
         "$site$o->{path}"
        or die "curl: $!\n";
    return $fh;
}

=item answers(REQUEST...)

Their answers, read at the same time; answer(REQUEST) is that of one.

=cut

sub answers {
    my @q = @_;
    my $end = time() + 25;
    my $sel = IO::Select->new(map { $_->{socket} } @q);
    my %by = map { fileno $_->{socket} => $_ } @q;
    my ($wait) = sort { $b <=> $a } map { $_->{wait} || 0 } @q;

    sleep $wait if $wait;
    gather($sel, \%by, $end - time()) while $sel->count && time() < $end;
    return map { parsed($_) } @q;
}

sub answer { return (answers($_[0]))[0] }

# reads what is there, or waits for something

sub gather {
    my ($sel, $by, $seconds) = @_;

    for my $s ($sel->can_read($seconds)) {
        my $q = $by->{fileno $s};
        my $n = sysread $s, $q->{raw}, 65536, length $q->{raw};

        if ($n) {
            push @{ $q->{at} }, time() - $q->{start};
            next;
        }

        $q->{took} = time() - $q->{start};
        delete $by->{fileno $s};
        $sel->remove($s);
        # nginx logs when it is rid of the connection
        close $s;
        # what was reset had no end; curl has a word of its own
        $q->{ended} = defined $n && ($q->{version} < 2 || $? == 0);
    }
}

sub parsed {
    my $q = shift;

    return parsed_files($q) if $q->{version} >= 2;

    my $raw = $q->{raw};
    if (defined $q->{port}) {
        1 while $raw =~ s/^HTTP\/1\.1 1\d\d .*?\r\n\r\n//s;
    }

    my ($head, $body) = split /\r\n\r\n/, $raw, 2;
    head($q, defined $head ? $head : '');
    $body = '' unless defined $body;
    $q->{complete} = $q->{ended};

    if (($q->{h}{'transfer-encoding'} || '') eq 'chunked') {
        ($body, $q->{complete}) = unchunked($body);
    } elsif (defined $q->{h}{'content-length'}) {
        $q->{complete} = length $body == $q->{h}{'content-length'};
    }

    # as a number, it can be shown
    $q->{complete} = $q->{complete} && $q->{took} < 99 ? 1 : 0;
    $q->{body} = $body;
    return $q;
}

sub parsed_files {
    my $q = shift;
    my $file = AIRoute::tmp_dir() . "/$q->{id}";
    my ($head, $body) = map { -e $_ ? AIRoute::slurp($_) : '' }
                            "$file.head", "$file.body";

    unlink map { "$file.$_" } qw(head body err);
    head($q, $head);
    $q->{body} = $body;
    $q->{complete} = $q->{ended} ? 1 : 0;
    # without the time that curl needs to start
    $q->{took} = $q->{raw} if $q->{raw} =~ /^[\d.]+$/;
    return $q;
}

sub head {
    my ($q, $head) = @_;

    $q->{status} = $head =~ m{^HTTP/[\d.]+ (\d+)} ? $1 : 0;
    $q->{h} = {};
    $q->{h}{lc $1} = $2 while $head =~ /^([^:\r\n]+): *([^\r\n]*)/mg;
}

# the body, and whether its last chunk was the end of all that came

sub unchunked {
    my $raw = shift;
    my $body = '';

    while ($raw =~ /\G([0-9a-f]+)\r\n/gci) {
        my ($n, $at) = (hex $1, pos $raw);

        return ($body, substr($raw, $at) eq "\r\n") if $n == 0;
        $body .= substr $raw, $at, $n;
        last if length $raw < $at + $n + 2
                || substr($raw, $at + $n, 2) ne "\r\n";
        pos($raw) = $at + $n + 2;
    }

    return ($body, 0);
}

=item ask(NAME => VALUE...), ask_all([NAME => VALUE...]...)

The answer of one request, the answers of several that are sent at once.

=cut

sub ask { return answer(open_request(@_)) }

sub ask_all { return answers(map { open_request(@$_) } @_) }

=item direct(PROVIDER, SIM, NAME => VALUE...)

The same request to the provider itself; SIM, if not empty, chooses its
answer.  Its credential is "key-PROVIDER".

=cut

sub direct {
    my ($name, $sim, %o) = @_;

    return ask(port => $AIRoute::provider_port{$name},
               head => "Authorization: Bearer key-$name\r\n"
                       . ($sim ? "X-Sim: $sim\r\n" : ''), %o);
}

=item load(rate => N, seconds => N, each => CODE, at => [[SECONDS, CODE]...])

The answers under constant load, which does not wait for them: "rate" requests
a second.  CODE of "each" is given the number of the request (from 0) and
returns its arguments; those of "at" run on the way.  Each answer has "t", the
seconds from the beginning to when it was sent.

=cut

sub load {
    my %o = (rate => 100, seconds => 1, each => sub { () }, at => [], @_);
    my $start = time();
    my $sel = IO::Select->new;
    my (@q, %by);
    my @at = @{ $o{at} };
    my $n = $o{rate} * $o{seconds};

    while (@q < $n) {
        my $now = time() - $start;

        (shift @at)->[1]->(), next if @at && $now >= $at[0][0];

        my $next = @q / $o{rate};
        if ($now < $next && $sel->count) {
            gather($sel, \%by, $next - $now);
        } elsif ($now < $next) {
            sleep $next - $now;
        } else {
            my $q = open_request($o{each}->(scalar @q));
            $q->{t} = $q->{start} - $start;
            push @q, $q;
            $by{fileno $q->{socket}} = $q;
            $sel->add($q->{socket});
        }
    }

    my $end = time() + 15;
    gather($sel, \%by, $end - time()) while $sel->count && time() < $end;
    return map { parsed($_) } @q;
}

=item trail(ANSWER), way(ANSWER)

The header X-AI-Trail or "-", and the accounts in it in their order.  A class
shows it with "expose trail".

=cut

sub trail {
    my $r = shift;

    return defined $r->{h}{'x-ai-trail'} ? $r->{h}{'x-ai-trail'} : '-';
}

sub way { return join ',', map { /^([^=]+)/ } split /,/, trail($_[0]) }

=item hits(ACCOUNT, ANSWER...)

How often the account was asked for these.

=cut

sub hits {
    my $name = shift;

    return scalar map { grep { /^\Q$name\E=/ } split /,/, trail($_) } @_;
}

=item statuses(ANSWER...)

How many there are of each, as "200:17 503:1".

=cut

sub statuses {
    my %n;

    $n{ $_->{status} }++ for @_;
    return join ' ', map { "$_:$n{$_}" } sort keys %n;
}

=item error_code(ANSWER)

The code in the error of its body, or "-".

=cut

sub error_code {
    my $json = eval { JSON::PP::decode_json($_[0]{body}) } || {};
    my $e = ref $json eq 'HASH' ? $json->{error} : undef;

    return ref $e eq 'HASH' && defined $e->{code} ? $e->{code} : '-';
}

=item within(ANSWER, MIN, MAX, NAME)

A test: the answer took at least MIN and at most MAX seconds.

=cut

sub within {
    my ($r, $min, $max, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::ok($r->{took} >= $min - 0.02 && $r->{took} <= $max,
                   "$what: between $min and $max s")
        or Test::More::diag(sprintf '%.3f s', $r->{took});
}

=item none_waited(NAME, ANSWER...)

For something that hangs, that is: half of them were quick, and none took as
long as what hangs does.  Any of them may be slow on a busy machine.

=cut

sub none_waited {
    my $what = shift;
    my @took = sort { $a <=> $b } map { $_->{took} } @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::ok($took[$#took / 2] < 1 && $took[-1] < 8, $what)
        or Test::More::diag("half of them took $took[$#took / 2] s or more,"
                            . " one $took[-1] s");
}

=item between(VALUE, MIN, MAX, NAME)

A test of any number.

=cut

sub between {
    my ($value, $min, $max, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::ok($value >= $min && $value <= $max,
                   "$what: from $min to $max")
        or Test::More::diag("it is $value");
}

=item same(BODY, WANTED, NAME)

A test: two answers of ai-provider that differ in what is never the same, ids
and time, and in its name, but in no byte else.  All of these are as long
everywhere.

=cut

sub same {
    my ($got, $want, $what) = map { defined $_ ? $_ : '' } @_;
    my $n = 0;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ($got, $want) = (normal($got), normal($want));
    return Test::More::pass($what) if $got eq $want;

    # a short report: these texts are long
    $n++ while $n < length $got && substr($got, $n, 1) eq substr $want, $n, 1;
    return Test::More::fail("$what: at byte $n got \"" . substr($got, $n, 300)
                            . '" instead of "' . substr($want, $n, 300) . '"');
}

=item normal(BODY)

Without these differences.

=back

=cut

sub normal {
    my $s = shift;

    $s =~ s/sim_?\d+"/simN"/g;
    $s =~ s/resp_\w+_\d+"/resp_N"/g;
    $s =~ s/"(created(?:_at)?)":\d+/"$1":N/g;
    $s =~ s/fp_\w/fp_X/g;
    return $s;
}

1;
