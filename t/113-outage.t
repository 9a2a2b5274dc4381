# Copyright (C) nginx-ai-route contributors

# An account's outage under constant load: what it is asked meanwhile, who
# serves, when it is back.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use HTTP::Tiny ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();
my $id = 0;

workers(2);

my @providers = qw(a b);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off;
                   first_byte 1s; first_token 1s; }
END

my $accounts = <<'END';
ai_breaker failures=5 rate=50 min=20 window=10s open=500ms max_open=500ms
           ramp=1s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 16;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route both { target a; target b; }
END

add_block_preprocessor(sub {
    my $block = shift;
    my $more = $block->routes || '';
    my $accounts = defined $block->accounts ? $block->accounts : $accounts;

    $block->set_value('http_config',
                      "# @{[$block->name]}\n$http$accounts$more");
    $block->set_value('config',
                      "location /v1/ { ai_pass; }\n"
                      . "location /ai/ { ai_status "
                      . "admin=sha256:$ENV{TEST_NGINX_ADMIN}; }\n"
                      . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    provider_reset(@providers);
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

# Requests over connections of their own.  open_request() sends, answers()
# reads many at once to their ends: "took" are the seconds until then,
# "complete" says that the body had the end that its head had announced.

sub open_request {
    my %o = (path => '/v1/chat/completions', model => 'm', more => '',
             head => '', @_);
    my $content = qq({"model":"$o{model}",)
        . ($o{stream} ? '"stream":true,' : '') . qq($o{more}"messages":[]});
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port())
        or die "cannot connect: $!\n";

    $o{id} = 'r' . ++$id . '-' . $$;
    $o{head} .= "X-AI-Class: $o{class}\r\n" if defined $o{class};
    $o{start} = time();
    print $s "POST $o{path} HTTP/1.1\r\nHost: gateway\r\n",
             "Content-Type: application/json\r\nConnection: close\r\n",
             "X-Request-ID: $o{id}\r\n$o{head}Content-Length: ",
             length $content, "\r\n\r\n", $content;
    return { %o, socket => $s, raw => '', took => 99 };
}

sub answers {
    my @q = @_;
    my $end = time() + 20;
    my $sel = IO::Select->new(map { $_->{socket} } @q);
    my %by = map { fileno $_->{socket} => $_ } @q;

    while ($sel->count && time() < $end) {
        gather($sel, \%by, $end - time());
    }
    return map { parsed($_) } @q;
}

sub gather {
    my ($sel, $by, $seconds) = @_;

    for my $s ($sel->can_read($seconds)) {
        my $q = $by->{fileno $s};

        next if sysread $s, $q->{raw}, 65536, length $q->{raw};
        $q->{took} = time() - $q->{start};
        delete $by->{fileno $s};
        $sel->remove($s);
        close $s;
    }
}

# Constant load: "rate" requests a second for "seconds".  "each" gives the
# arguments of the n-th one; "at" is a list of [SECONDS, CODE] to run on the
# way.  Each answer has "t", when it was sent.

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

sub parsed {
    my $q = shift;
    my ($head, $body) = split /\r\n\r\n/, $q->{raw}, 2;
    my ($status) = ($head || '') =~ m{^HTTP/1\.\d (\d+)};
    my %h;

    $h{lc $1} = $2 while ($head || '') =~ /^([^:\r\n]+): *([^\r\n]*)/mg;
    $body = '' unless defined $body;
    $q->{complete} = $q->{took} < 99
        && (($h{'transfer-encoding'} || '') eq 'chunked'
            ? $body =~ /\r\n0\r\n\r\n\z/
            : !defined $h{'content-length'}
              || length $body == $h{'content-length'});
    @{$q}{qw(status h body)} = ($status || 0, \%h, $body);
    return $q;
}

sub ask { return (answers(open_request(@_)))[0] }

# several at once, each a list of open_request's arguments
sub ask_all { return answers(map { open_request(@$_) } @_) }

sub trail { return defined $_[0]{h}{'x-ai-trail'} ? $_[0]{h}{'x-ai-trail'}
                                                  : '-' }

# the accounts of a trail, in their order
sub way { return join ',', map { /^([^=]+)/ } split /,/, trail($_[0]) }

# how often account NAME was asked for these answers
sub hits {
    my $name = shift;
    return scalar map { grep { /^\Q$name\E=/ } split /,/, trail($_) } @_;
}

sub statuses {
    my %n;
    $n{ $_->{status} }++ for @_;
    return join ' ', map { "$_:$n{$_}" } sort keys %n;
}

sub between {
    my ($value, $min, $max, $what) = @_;

    ok($value >= $min && $value <= $max, "$what: from $min to $max")
        or diag("it is $value");
}

sub error_code {
    my $json = eval { JSON::PP::decode_json($_[0]{body}) } || {};
    my $e = ref $json eq 'HASH' ? $json->{error} : undef;

    return ref $e eq 'HASH' && defined $e->{code} ? $e->{code} : '-';
}

sub stats { return JSON::PP::decode_json(provider_get($_[0], '/__stats')) }
sub requests { return stats($_[0])->{requests} }

sub master { return slurp("$tmp/servroot/logs/nginx.pid") =~ /(\d+)/ }
sub workers_now { my ($m) = master();
                  return split ' ', `ps -o pid= --ppid $m` }

# the old workers are gone or have no listening socket any more
sub reload {
    my @old = workers_now();
    my ($master) = master();

    kill 'HUP', $master;
    wait_for(5, sub {
        my %old = map { $_ => 1 } @old;
        my @new = grep { !$old{$_} } workers_now();
        return @new >= 2;
    }) or die "no reload\n";
    sleep 0.4;
}

# all workers at once; others take their place
sub kill_workers {
    my @old = workers_now();

    is(scalar @old, 2, 'two workers');
    kill 'KILL', @old;
    wait_for(5, sub {
        my %old = map { $_ => 1 } @old;
        return 2 == grep { !$old{$_} } workers_now();
    }) or die "no new workers\n";
    sleep 0.2;
}

# 10 s of load, account a out of order from 2 s to 7 s
sub drill {
    my ($fault, $sample, %o) = @_;
    my $model = $o{model} || 'm';
    my ($from, $to);

    my @r = load(rate => 80, seconds => 10,
                 each => sub { (model => $model, %{ $o{more} || {} }) },
                 at => [[2, sub { provider_fault('a', $fault);
                                  $from = time() }],
                        [7, sub { provider_fault('a', '');
                                  $to = time() }]]);

    is(statuses(@r), '200:800', 'every request is served');
    is(scalar(grep { !$_->{complete} || $_->{body} =~ /"error"/ } @r), 0,
       'completely');
    # a kept connection that is reset is not yet the provider's answer
    between(requests('a'), hits('a', @r), hits('a', @r) + ($o{kept} || 0),
            'the provider counts the same');

    my @out = grep { $_->{start} >= $from && $_->{start} < $to } @r;
    my @hit = grep { hits('a', $_) } @out;

    # 450 to 550 ms of waiting between two probes
    between(scalar @hit, $sample + 5, $o{most} || $sample + 12,
            'a is asked for the sample and the probes');
    is(hits('b', @out), scalar @out, 'b serves all of these');
    my @late = grep { $_->{start} > $from + ($o{settle} || 0.5) } @hit;
    for (1 .. $#late) {
        cmp_ok($late[$_]{t} - $late[$_ - 1]{t}, '>', 0.43,
               'time between two probes');
    }
    cmp_ok(scalar @late, '>=', 3, 'probes');

    # back: the probe within one interval, the rest within the ramp
    my @after = grep { $_->{start} >= $to } @r;
    my ($first) = grep { hits('a', $_) } @after;
    cmp_ok($first->{start} - $to, '<', 0.55 + ($o{grace} || 0.2),
           'asked again within one interval');
    my @ramp = grep { $_->{start} > $first->{start} + 0.05
                      && $_->{start} < $first->{start} + 0.3 } @after;
    cmp_ok(hits('a', @ramp), '<=', 0.5 * @ramp, 'no burst');
    my @end = grep { $_->{start} > $first->{start} + 1.1 } @after;
    return (\@end, \@out);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: server errors
--- check
my ($end) = drill('status=503', 5);
is(hits('a', @$end), scalar @$end, 'all traffic is back');



=== TEST 2: resets, two of equal weight, streams
--- check
my ($end, $out) = drill('reset', 5, model => 'both', kept => 16,
                        more => { stream => 1 });
between(hits('a', @$end), 0.4 * @$end, 0.6 * @$end, 'half of it is back');
