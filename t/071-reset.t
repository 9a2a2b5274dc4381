# Copyright (C) nginx-ai-route contributors

# What closes an account or lets it cool down, for all workers, and what opens
# it again: the operator's reset, a changed credential, the end of a hint.

use lib 't/lib';
use AIRoute providers => [qw(a b)], key => [qw(good)];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA ();
use HTTP::Tiny ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

$ENV{TEST_NGINX_ADMIN} = Digest::SHA::sha256_hex('operator');

my $tmp = tmp_dir();
my ($id, @children) = (0);

workers(2);
$ENV{AI_TEST_KEY} = 'good';

my $http = <<'END';
log_format ai escape=none
    '$ai_request_id|$status|$ai_attempts|$ai_fallback|$ai_trail|$ai_outcome|'
    '$ai_error_class|$ai_queue_ms|$ai_ttft_ms';
access_log $TEST_NGINX_TMP/ai.log ai;
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1
               key=file:$TEST_NGINX_TMP/key; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b.test/v1
               key=env:AI_TEST_KEY; }

ai_class default { expose trail; max_wait off; retry_same off; }
ai_route m     { target a; target b tier=2; }
ai_route other { target a; target b tier=2; }
ai_route alone { target a; }
END

sub credential {
    open my $fh, '>', "$tmp/key" or die "$tmp/key: $!\n";
    print $fh $_[0];
    close $fh;
}

credential('good');

add_block_preprocessor(sub {
    my $block = shift;
    my $more = $block->routes || '';

    $block->set_value('http_config', "# @{[$block->name]}\n$http$more");
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

    provider_reset(qw(a b));
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
    kill 'KILL', -$_ for @children;
    waitpid $_, 0 for splice @children;
});

# Requests over connections of their own.  open_request() sends, answers()
# reads many at once to their ends: "took" are the seconds until then, "at"
# those until each piece came, "complete" says that the body had the end that
# its head had announced.

sub open_request {
    my %o = (path => '/v1/chat/completions', model => 'm', more => '',
             head => '', @_);
    my $content = defined $o{body} ? $o{body}
        : qq({"model":"$o{model}",)
          . ($o{stream} ? '"stream":true,' : '') . qq($o{more}"messages":[]});
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $o{port} || server_port())
        or die "cannot connect: $!\n";

    $o{id} = 'r' . ++$id . '-' . $$;
    $o{head} .= "X-AI-Class: $o{class}\r\n" if defined $o{class};
    $o{start} = time();
    print $s "POST $o{path} HTTP/1.1\r\nHost: gateway\r\n",
             "Content-Type: application/json\r\nConnection: close\r\n",
             "X-Request-ID: $o{id}\r\n$o{head}Content-Length: ",
             length $content, "\r\n\r\n", $content;
    return { %o, socket => $s, raw => '', at => [], took => 99 };
}

sub answers {
    my @q = @_;
    my $end = time() + 25;
    my $sel = IO::Select->new(map { $_->{socket} } @q);
    my %by = map { fileno $_->{socket} => $_ } @q;

    while ($sel->count && time() < $end) {
        for my $s ($sel->can_read($end - time())) {
            my $q = $by{fileno $s};

            if (sysread $s, $q->{raw}, 65536, length $q->{raw}) {
                push @{ $q->{at} }, time() - $q->{start};
                next;
            }
            $q->{took} = time() - $q->{start};
            $sel->remove($s);
            close $s;
        }
    }
    return map { parsed($_) } @q;
}

sub parsed {
    my $q = shift;
    my ($head, $body) = split /\r\n\r\n/, $q->{raw}, 2;
    my ($status) = ($head || '') =~ m{^HTTP/1\.\d (\d+)};
    my (%h, $out);

    $h{lc $1} = $2 while ($head || '') =~ /^([^:\r\n]+): *([^\r\n]*)/mg;
    $body = '' unless defined $body;
    $q->{complete} = $q->{took} < 99;

    if (($h{'transfer-encoding'} || '') eq 'chunked') {
        $out = '';
        $q->{complete} = 0;
        while ($body =~ /\G([0-9a-f]+)\r\n/gci) {
            my $n = hex $1;
            $q->{complete} = 1, last if $n == 0;
            $out .= substr $body, pos $body, $n;
            pos($body) += $n + 2 < length($body) - pos($body) ? $n + 2 : last;
        }
        $body = $out;
    } elsif (defined $h{'content-length'}) {
        $q->{complete} &&= length $body == $h{'content-length'};
    }
    @{$q}{qw(status h body)} = ($status || 0, \%h, $body);
    return $q;
}

sub ask { return (answers(open_request(@_)))[0] }

# several at once, each a list of open_request's arguments
sub ask_all { return answers(map { open_request(@$_) } @_) }

sub error_code {
    my $json = eval { JSON::PP::decode_json($_[0]{body}) } || {};
    my $e = ref $json eq 'HASH' ? $json->{error} : undef;

    return ref $e eq 'HASH' && defined $e->{code} ? $e->{code} : '-';
}

sub trail { return defined $_[0]{h}{'x-ai-trail'} ? $_[0]{h}{'x-ai-trail'}
                                                  : '-' }

# the accounts of a trail, in their order
sub way { return join ',', map { /^([^=]+)/ } split /,/, trail($_[0]) }

sub within {
    my ($r, $min, $max, $what) = @_;

    ok($r->{took} >= $min - 0.02 && $r->{took} <= $max,
       "$what: between $min and $max s")
        or diag(sprintf '%.3f s', $r->{took});
}

sub stats { return JSON::PP::decode_json(provider_get($_[0], '/__stats')) }

# forgets what earlier requests taught about the accounts
sub operator_reset {
    for my $name (@_) {
        my $answer = HTTP::Tiny->new->post(
            'http://127.0.0.1:' . server_port() . "/ai/accounts/$name/reset",
            { headers => { Authorization => 'Bearer operator' } });
        die "reset of $name: $answer->{status}\n" unless $answer->{success};
    }
}

sub asked { return stats($_[0])->{requests} }

# many at once, so that both workers have some: the different trails
sub trails {
    my %seen;

    $seen{"$_->{status} " . trail($_)}++
        for ask_all(map { [@_] } 1 .. 16);
    return join ' | ', sort keys %seen;
}

# new workers, and the old ones are gone
sub reload {
    my ($master) = slurp("$tmp/servroot/logs/nginx.pid") =~ /(\d+)/;
    my @old = split ' ', `ps -o pid= --ppid $master`;

    kill 'HUP', $master;
    ok(wait_for(8, sub {
        my %now = map { $_ => 1 } split ' ', `ps -o pid= --ppid $master`;
        return keys %now == 2 && !grep { $now{$_} } @old;
    }), 'reloaded');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: what closes an account, and the operator's reset
--- check
for (['401', 'auth'], ['status=401 code=account_deactivated',
                       'account_disabled'],
     ['402', 'quota_exhausted'],
     ['status=429 code=insufficient_quota', 'quota_exhausted'],
     ['status=400 code=billing_hard_limit_reached', 'quota_exhausted'],
     ['error_first status=429 code=insufficient_quota', 'quota_exhausted'])
{
    my ($sim, $verdict) = @$_;
    provider_reset(qw(a b));
    provider_fault('a', "times=1 $sim\nok");

    like(trail(ask()), qr{^a=\d+/$verdict,b=200/ok$}, "$sim: closes");
    is(trails(), '200 b=200/ok', "$sim: not used by any worker");
    is(trails(model => 'other'), '200 b=200/ok',
       "$sim: not for another model either");
    is(asked('a'), 1, "$sim: one request was the last");

    my $r = ask(model => 'alone');
    is("$r->{status} " . error_code($r), '503 no_target', "$sim: alone");
    is($r->{h}{'x-ai-attempts'}, undef, "$sim: alone: nobody is asked");
    cmp_ok($r->{h}{'retry-after'}, '>=', 50, "$sim: alone: Retry-After");

    operator_reset('b');
    is(trails(), '200 b=200/ok', "$sim: another account's reset");
    operator_reset('a');
    is(trails(), '200 a=200/ok', "$sim: after the reset");
    is(ask(model => 'alone')->{status}, 200, "$sim: alone after the reset");
}
like(slurp("$tmp/servroot/logs/error.log"),
     qr/\[error\] .*ai account "a" failed: auth/, 'somebody must see it');
unlike(slurp("$tmp/servroot/logs/error.log"), qr/Bearer|good/,
       'no credential in the log');



=== TEST 2: what does not close it
--- check
for my $sim ('500', '503', 'reset', 'empty', '413', 'error_first') {
    provider_reset(qw(a b));
    provider_fault('a', "times=3 $sim\nok");
    like(trail(ask()), qr{^a=\d+/\w+,b=200/ok$}, "$sim: fails") for 1 .. 3;
    is(trails(), '200 a=200/ok', "$sim: used again");
}
for my $sim ('400', '422', '409') {
    provider_fault('a', "times=1 $sim\nok");
    is(ask()->{status}, $sim, "$sim: passes");
    is(trails(), '200 a=200/ok', "$sim: used again");
}

# one model, or the whole account
for (['404', 'a'], ['403', 'a'], ['status=429 retry_after=60', 'a'],
     ['status=429 code=slow_down', 'b'])
{
    my ($sim, $other) = @$_;
    provider_fault('a', "times=1 $sim\nok");
    like(trail(ask()), qr/^a=4\d\d/, "$sim: fails");
    is(trails(), '200 b=200/ok', "$sim: not used for this model");
    is(trails(model => 'other'), "200 $other=200/ok", "$sim: another model");
    operator_reset('a');
    is(trails(), '200 a=200/ok', "$sim: after the reset");
}



=== TEST 3: a changed credential opens the account, a reload alone does not
--- check
credential('bad');
reload();
is(trail(ask()), 'a=401/auth,b=200/ok', 'a wrong credential');
is(trails(), '200 b=200/ok', 'closed');

reload();
is(trails(), '200 b=200/ok', 'still closed after a reload');
is(asked('a'), 1, 'one request was the last');

credential('good');
reload();
is(trails(), '200 a=200/ok', 'another credential');

# the old one is known no longer
provider_fault('a', "times=1 429 code=insufficient_quota\nok");
is(trail(ask()), 'a=429/quota_exhausted,b=200/ok', 'spent');
is(trails(), '200 b=200/ok', 'closed again');
operator_reset('a');
is(trails(), '200 a=200/ok', 'and reset');



=== TEST 4: a hint is kept, by all workers, to its end
--- check
for (['status=429 retry_after=2', 2], ['status=429 retry_after_ms=1500', 1.5],
     ['status=503 retry_after=1', 1],
     ['status=429 retry_after=date+2', 1])
{
    my ($sim, $seconds) = @$_;
    provider_reset(qw(a b));
    provider_fault('a', "times=1 $sim\nok");
    my $start = time();
    like(trail(ask()), qr{^a=\d+/\w+,b=200/ok$}, "$sim: fails");
    my $known = time();

    # what was asked before the hint's end is surely answered by b
    my ($n, $back) = (0);
    while (time() < $known + 6) {
        my $sent = time();
        my $way = trails();
        last if $way eq '200 a=200/ok' && ($back = $sent);
        $n++ if $way eq '200 b=200/ok' && time() < $start + $seconds;
        sleep 0.05;
    }
    cmp_ok($n, '>=', 2, "$sim: not used meanwhile");
    ok($back && $back - $start >= $seconds - 0.15
       && $back - $start <= $seconds + 1.6, "$sim: then it is used")
        or diag($back ? $back - $start : 'never');
}

# a reset ends it at once
provider_fault('a', "times=1 status=429 retry_after=60\nok");
ask();
is(trails(), '200 b=200/ok', 'cools down');
my $r = ask(model => 'alone');
operator_reset('a');
is(trails(), '200 a=200/ok', 'reset');



=== TEST 5: cooldowns and closures outlive a reload
--- check
provider_fault('a', "times=1 status=429 retry_after=60\nok");
ask();
reload();
is(trails(), '200 b=200/ok', 'a cooldown');
operator_reset('a');

provider_fault('a', "times=1 402\nok");
ask();
reload();
is(trails(), '200 b=200/ok', 'a closure');
operator_reset('a');
is(trails(), '200 a=200/ok', 'reset');



=== TEST 6: without a hint it is five seconds
--- check
provider_fault('a', "status=429 dialect=mistral");
is(ask(model => 'alone')->{status}, 429, 'limited');
my $r = ask(model => 'alone');
is("$r->{status} " . trail($r), '429 -', 'cools down');
like($r->{h}{'retry-after'}, qr/^[56]$/, 'for five seconds');
