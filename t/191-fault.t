# Copyright (C) nginx-ai-route contributors

# Faults where an account's answer would come from: each kind, streamed or
# not, over HTTP/1.1 and 2; what the gateway makes of them, what the records
# say, whom they concern, and that nothing of them is left behind.

use lib 't/lib';
use AIRoute providers => [qw(a b)], tls => ['s'];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIFault;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

BEGIN { $ENV{TEST_NGINX_H2} = free_port() }

my $tmp = tmp_dir();
my $hash = sha256_hex('k-s3cr3t');
my $key = "Authorization: Bearer k-s3cr3t\r\n";

my $http = <<"END";
ai_usage file:$tmp/usage.jsonl;
ai_price * input=1 output=10;
ai_class default { expose trail; max_wait off; retry_same off; deadline 4s;
                   connect 1s; first_token 1s; first_byte 1s; stall 1s; }
ai_class batch { expose trail; max_wait off; retry_same off; }
ai_class held { expose trail; max_wait off; retry_same off; hold 300ms;
                stall 1s; }
ai_class again { expose trail; attempts 8; retry_same first; max_wait 5s; }
ai_default_class default;
END

my $accounts = <<'END';
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=openai base=http://b/v1; }
upstream s { server 127.0.0.1:$TEST_NGINX_PROVIDER_S; keepalive 8;
    ai_account provider=anthropic base=https://localhost/v1
               trusted=$TEST_NGINX_CA; }
ai_route m m2 { target a; target b tier=2; }
ai_route tls { target s; target b tier=2; }
ai_route alone { target a; }
ai_route first { target b; backup alone; }
server { listen 127.0.0.1:$TEST_NGINX_H2 http2; client_max_body_size 64m;
         location /v1/ { ai_pass; client_body_buffer_size 16k; } }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b s)],
             location => 'client_max_body_size 64m; '
                         . 'client_body_buffer_size 16k;',
             before => sub { truncate "$tmp/usage.jsonl", 0 },
             perl => sub { eval shift });

sub log_has { return slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log") =~ $_[0] }

# the records of a request, that of itself first, when all are there
sub records {
    my ($id, $n) = @_;
    my @r;

    wait_for(3, sub {
        @r = sort { $a->{event_id} cmp $b->{event_id} }
             grep { $_->{request_id} eq $id }
             map { JSON::PP::decode_json($_) }
             split /\n/, slurp_lines("$tmp/usage.jsonl");
        return @r >= $n;
    });
    return @r;
}

# one fault, requests under it, and what is left of them
sub under {
    my ($fault, @requests) = @_;
    my $f = fault_begin(account => 'a', ttl => '1h', %$fault);
    my @r = ask_all(map { [%$_] } @requests);

    return ($f->{id}, @r);
}

# sockets of this kind that the workers have, both ends of pairs
sub pairs {
    my %unix = map { $_ => 1 } slurp('/proc/net/unix') =~ /^\S+: (?:\S+ +){5}(\d+)/mg;
    my $n = 0;

    for my $fd (map { glob "/proc/$_/fd/*" } workers_now()) {
        my ($inode) = (readlink $fd || '') =~ /^socket:\[(\d+)\]/;
        $n++ if $inode && $unix{$inode};
    }
    return $n;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: scripted answers: what is asked elsewhere, and what is recorded
--- check
my %verdict = (status => '503/overloaded', timeout => '0/timeout',
               reset => '0/reset', bad_credential => '401/auth',
               exhausted_quota => '429/quota_exhausted');
for my $fault (sort keys %verdict) {
    my ($seen, $class) = split /\//, $verdict{$fault};
    my @q = map { my $v = $_; map { { version => $v, stream => $_ } } 0, 1 }
                qw(1.1 2);
    my $t = time();
    my ($id, @r) = under({ fault => $fault }, @q);
    my $end = time();

    for my $r (@r) {
        my $what = "$fault, stream $r->{stream}, HTTP/$r->{version}";
        is("$r->{status} $r->{complete}", '200 1', "$what: saved");
        is($r->{h}{'x-ai-account'}, 'b', "$what: by another account");
        like($r->{body}, qr/word7/, "$what: all of it");
        my @rec = records($r->{id}, way($r) eq 'b' ? 1 : 3);
        is(scalar(grep { !$_->{drill} } @rec), 0, "$what: marked");

        # a closure spares the others their try
        next if @rec < 3;
        my ($try) = grep { $_->{account} eq 'a' } @rec[1, 2];
        is($try->{error_class}, $class, "$what: verdict");
        is($try->{status}, $seen || ($class eq 'timeout' ? 504 : 502),
           "$what: status");
        ok(!exists $try->{cost_nanousd}, "$what: nothing is paid for it");
    }

    my $f = fault_seen($id, 4);
    is("$f->{requests} $f->{ok}", '4 4', "$fault: requests");
    is("$f->{hit} $f->{saved} $f->{lost}", "$f->{attempts} $f->{hit} 0",
       "$fault: met");
    cmp_ok($f->{hit}, '>', 0, "$fault: by somebody");
    between($f->{first_hit_ms}, ($t - 0.02) * 1000, ($end + 0.02) * 1000,
            "$fault: first hit");
    between($f->{added_ms}, $fault eq 'timeout' ? 980 * $f->{hit} : 0,
            ($end - $t) * 1000 * 4, "$fault: added");
    my $cost = 0;
    for my $r (@r) {
        my @rec = records($r->{id}, 1);
        next unless grep { $_->{account} eq 'a' } @rec;
        $cost += $rec[0]{cost_nanousd};
    }
    is($f->{moved_nanousd}, $cost, "$fault: cost moved, as recorded");
    is(requests('a'), 0, "$fault: the provider is not asked");
    is(defined $f->{detected_ms} ? 1 : 0,
       $fault =~ /credential|quota/ ? 1 : 0, "$fault: detected");

    fault_end($id);
    accounts_open('a');
    is(way(ask()), 'a', "$fault: and back");
    my $back = fault_back($id);
    between($back->{returned_ms}, $back->{ended_ms}, time() * 1000 + 20,
            "$fault: returned");
    is($back->{requests}, 4, "$fault: counts no more");
    provider_reset('a');
}



=== TEST 2: slow first token
--- check
for my $v (qw(1.1 2)) {
    for my $stream (0, 1) {
        my $what = "stream $stream, HTTP/$v";
        my ($id, $r) = under({ fault => 'slow_first_token', delay => '400ms' },
                             { version => $v, stream => $stream });
        is("$r->{status} $r->{complete} " . way($r), '200 1 a', "$what: ok");
        within($r, 0.4, 4, $what);
        like($r->{body}, qr/word0.*word7/s, "$what: all of it");
        my ($rec) = records($r->{id}, 1);
        between($rec->{ttft_ms}, 390, 4000, "$what: first token");
        is("$rec->{drill} $rec->{outcome}", '1 ok', "$what: record");
        my $f = fault_seen($id, 1);
        is("$f->{hit} $f->{saved} $f->{moved_nanousd}", '1 1 0', "$what: met");
        between($f->{added_ms}, 390, 4000, "$what: added");
        fault_end($id);
    }
}

# longer than anybody waits
my ($id, $r) = under({ fault => 'slow_first_token', delay => '3s' },
                     { stream => 1 });
is(trail($r), 'a=504/timeout,b=200/ok', 'too slow');
within($r, 1, 3, 'too slow');
fault_end($id);

# slower by itself: nothing is added
provider_fault('a', 'delay=650');
# both together would always be longer than anybody waits
for (1 .. 5) {
    ($id, $r) = under({ fault => 'slow_first_token', delay => '600ms' }, {});
    fault_end($id);
    last if trail($r) eq 'a=200/ok';
}
is(trail($r), 'a=200/ok', 'the provider is slower');

# its connection may be kept
provider_reset('a');
ask();
my $n = stats('a')->{connections};
($id, $r) = under({ fault => 'slow_first_token', delay => '50ms' },
                  { stream => 1 }, {}, { stream => 1 });
is(statuses(ask_all([], [])), '200:2', 'after it');
fault_end($id);



=== TEST 3: stall and cut
--- check
for my $v (qw(1.1 2)) {
    for my $fault (qw(stall cut)) {
        # all at once, and in pieces
        for my $script ('', 'gap=30', 'bytewise') {
            my $what = "$fault, HTTP/$v, '$script'";
            provider_fault('a', $script);
            my ($id, $r) = under({ fault => $fault },
                                 { version => $v, stream => 1 });
            is($r->{status}, 200, "$what: began");
            like($r->{body}, qr/word0/, "$what: the first content");
            unlike($r->{body}, qr/word1/, "$what: and no more");
            like($r->{body}, $fault eq 'stall' ? qr/stalled/ : qr/was cut/,
                 "$what: an honest end");
            within($r, $fault eq 'stall' ? 1 : 0, 4, $what);
            my ($rec) = records($r->{id}, 1);
            is("$rec->{outcome} $rec->{drill} $rec->{attempts}",
               ($fault eq 'stall' ? 'stalled' : 'cut') . ' 1 1',
               "$what: record");
            my $f = fault_seen($id, 1);
            is("$f->{hit} $f->{ok} $f->{saved} $f->{lost}", '1 0 0 1',
               "$what: lost");

            # an answer that is not streamed is held, and can be saved
            ($r) = ask(version => $v);
            is("$r->{status} $r->{complete}", '200 1', "$what: JSON is saved");
            is(trail($r), ($fault eq 'stall' ? 'a=200/timeout' : 'a=200/reset')
                          . ',b=200/ok', "$what: JSON's trail");
            fault_end($id);
        }
    }
}
provider_fault('a', '');

# a class that holds streams back saves those that are cut meanwhile
my ($id, $r) = under({ fault => 'cut' }, { stream => 1, class => 'held' });
is("$r->{status} $r->{complete} " . trail($r),
   '200 1 a=200/reset,b=200/ok', 'held back: saved');
fault_end($id);
($id, $r) = under({ fault => 'stall' }, { stream => 1, class => 'held' });
like($r->{body}, qr/word0.*stalled/s, 'held back: stalls');
unlike($r->{body}, qr/word1/, 'held back: no more content');
fault_end($id);

# what passes at its head
($id, $r) = under({ fault => 'cut' },
                  { path => '/v1/audio/speech',
                    body => '{"model":"m","input":"x","voice":"v"}' });
is("$r->{status} $r->{complete}", '200 0', 'a speech breaks off');
fault_end($id);

is(way(ask(stream => 1)), 'a', 'nothing is left of it');
is(way(ask()), 'a', 'nor of the others');



=== TEST 4: 50 percent
--- check
my ($id, @r) = under({ fault => 'status', status => 500, percent => 50 },
                     map { {} } 1 .. 120);
is(statuses(@r), '200:120', 'all are served');
my $hit = grep { trail($_) eq 'a=500/server_error,b=200/ok' } @r;
my $direct = grep { trail($_) eq 'a=200/ok' } @r;
is($hit + $direct, 120, 'by a, or after it');
between($hit, 30, 90, 'half of them');
my $f = fault_seen($id, 120);
is("$f->{requests} $f->{hit} $f->{attempts} $f->{saved}",
   "120 $hit $hit $hit", 'counted');
fault_end($id);



=== TEST 5: the same account again, each try rolls anew
--- check
my ($id, @r) = under({ fault => 'reset', percent => 50 },
                  map { { model => 'alone', class => 'again' } } 1 .. 40);
my $again = grep { trail($_) =~ /^(a=502\/reset,)+a=200\/ok$/ } @r;
cmp_ok($again, '>', 2, 'saved by the account itself');
my $f = fault_seen($id, 40);
is($f->{lost}, scalar(grep { $_->{status} != 200 } @r), 'lost, as seen');
is($f->{attempts},
   scalar(map { trail($_) =~ /reset/g } @r), 'attempts, as seen');
is($f->{saved}, $again, 'saved, as seen');
is($f->{moved_nanousd}, 0, 'nothing moved');
fault_end($id);



=== TEST 6: whom it concerns
--- check
my $f = fault_begin(account => 'a', fault => 'status', model => 'm2*');
is(way(ask()), 'a', 'another model');
is(way(ask(model => 'm2')), 'a,b', 'the model');
fault_end($f->{id});

$f = fault_begin(account => 'a', fault => 'status', class => 'batch');
is(way(ask()), 'a', 'another class');
is(way(ask(class => 'batch')), 'a,b', 'the class');
fault_end($f->{id});

$f = fault_begin(account => 'a', fault => 'status', key_id => 'anonymous');
is(way(ask()), 'a,b', 'nobody has a key');
fault_end($f->{id});
$f = fault_begin(account => 'a', fault => 'status', key_id => 'k');
is(way(ask()), 'a', 'a key that nobody has');
fault_end($f->{id});

# in its scope are those who could use the account, tried or not
$f = fault_begin(account => 'b', fault => 'status');
my $r = ask();
is(way($r), 'a', 'the other account serves');
is((records($r->{id}, 1))[0]{drill}, 1, 'marked all the same');
$r = ask(model => 'alone');
is((records($r->{id}, 1))[0]{drill}, 0, 'its route has no such account');
my $seen = fault_seen($f->{id}, 1);
is("$seen->{requests} $seen->{hit} $seen->{ok}", '1 0 1', 'counted');
is($seen->{first_hit_ms}, undef, 'never hit');
fault_end($f->{id});

# those of a backup, once it is used
$f = fault_begin(account => 'a', fault => 'status');
$r = ask(model => 'first');
is((records($r->{id}, 1))[0]{drill}, 0, 'no backup was needed');
provider_fault('b', '500');
$r = ask(model => 'first');
is(way($r), 'b,a', 'the backup meets it');
is(join(' ', map { $_->{drill} } records($r->{id}, 3)), '1 1 1', 'marked');
fault_end($f->{id});
provider_fault('b', '');

# two at once: the older one first
$f = fault_begin(account => 'a', fault => 'status', status => 529);
my $g = fault_begin(account => 'a', fault => 'status', status => 500);
is(trail(ask()), 'a=529/overloaded,b=200/ok', 'the older one');
fault_end($f->{id});
is(trail(ask()), 'a=500/server_error,b=200/ok', 'then the other');
is(fault_seen($g->{id}, 2)->{requests}, 2, 'in the scope of both');
is(fault_seen($g->{id})->{hit}, 1, 'met one');
fault_end($g->{id});



=== TEST 7: keys
--- accounts eval
my $hash = Digest::SHA::sha256_hex('k-s3cr3t');
my $other = Digest::SHA::sha256_hex('o-s3cr3t');
"ai_key k hash=sha256:$hash; ai_key o hash=sha256:$other;\n" . <<'END';
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
END
--- check
my $f = fault_begin(account => 'a', fault => 'status', key_id => 'k');
my $r = ask(head => "Authorization: Bearer k-s3cr3t\r\n");
is(way($r), 'a,b', 'the key');
is(join(' ', map { "$_->{key_id} $_->{drill}" } records($r->{id}, 3)),
   'k 1 k 1 k 1', 'its records');
$r = ask(head => "Authorization: Bearer o-s3cr3t\r\n");
is(way($r), 'a', 'another key');
is((records($r->{id}, 1))[0]{drill}, 0, 'not marked');
is(fault_seen($f->{id}, 1)->{requests}, 1, 'counted');



=== TEST 8: accounts with TLS, and the dialect of their provider
--- check
my @kinds = (['status', 's=503/overloaded'], ['timeout', 's=504/timeout'],
             ['reset', 's=502/reset'], ['bad_credential', 's=401/auth'],
             ['exhausted_quota', 's=400/quota_exhausted']);
for (@kinds) {
    for my $stream (0, 1) {
        my $f = fault_begin(account => 's', fault => $_->[0]);
        my $r = ask(model => 'tls', stream => $stream);
        is(trail($r), "$_->[1],b=200/ok", "$_->[0], stream $stream");
        fault_end($f->{id});
        accounts_open('s');
        is(way(ask(model => 'tls', stream => $stream)), 's',
           "$_->[0], stream $stream: and back");
    }
}
for my $stream (0, 1) {
    my $f = fault_begin(account => 's', fault => 'slow_first_token',
                        delay => '300ms');
    my $r = ask(model => 'tls', stream => $stream);
    is(way($r), 's', "slow, stream $stream");
    within($r, 0.3, 4, "slow, stream $stream");
    like($r->{body}, qr/word7/, "slow, stream $stream: all");
    fault_end($f->{id});

    for my $fault (qw(stall cut)) {
        $f = fault_begin(account => 's', fault => $fault);
        $r = ask(model => 'tls', stream => $stream);
        $stream ? like($r->{body}, $fault eq 'cut' ? qr/was cut/ : qr/stalled/,
                       "$fault, stream")
                : is(way($r), 's,b', "$fault, JSON is saved");
        fault_end($f->{id});
    }
}



=== TEST 9: bodies of 5 MB, from memory and from a file
--- check
my $large = '{"model":"m","messages":[{"role":"user","content":"'
            . ('x' x 5_000_000) . '"}]}';
for my $fault (qw(status timeout reset bad_credential slow_first_token cut)) {
    my %o = $fault eq 'slow_first_token' ? (delay => '200ms') : ();
    my $f = fault_begin(account => 'a', fault => $fault, %o);
    for my $v (qw(1.1 2)) {
        my $file = "$tmp/large.json";
        my $r;
        if ($v eq '2') {
            open my $fh, '>', $file or die; print $fh $large; close $fh;
            $r = { h => {} };
            my $head = `curl -sS --http2-prior-knowledge -m 10 -o /dev/null -D - -H Expect: -H 'Content-Type: application/json' --data-binary \@$file http://127.0.0.1:$ENV{TEST_NGINX_H2}/v1/chat/completions`;
            ($r->{status}) = $head =~ m{^HTTP/2 (\d+)};
            ($r->{h}{'x-ai-trail'}) = $head =~ /^x-ai-trail: (\S+)/mi;
        } else {
            $r = ask(body => $large);
        }
        is($r->{status}, 200, "$fault, HTTP/$v: served");
        is(way($r), $fault eq 'slow_first_token' ? 'a'
                    : $fault eq 'bad_credential' && $v eq '2' ? 'b' : 'a,b',
           "$fault, HTTP/$v: after the fault");
        is(JSON::PP::decode_json(provider_get(
               $fault eq 'slow_first_token' ? 'a' : 'b', '/__last'))
               ->{body_bytes}, length $large, "$fault, HTTP/$v: all of it");
    }
    fault_end($f->{id});
    accounts_open('a');
}



=== TEST 10: clients that leave
--- check
for my $fault (qw(timeout slow_first_token stall)) {
    for my $v (qw(1.1 2)) {
        my %o = $fault eq 'slow_first_token' ? (delay => '30s') : ();
        my $f = fault_begin(account => 'a', fault => $fault, %o);
        my $q = open_request(version => $v, stream => 1, class => 'batch',
                             max => 0.5);
        if ($v eq '1.1') {
            sleep 0.5;
            close $q->{socket};
        } else {
            answer($q);
        }
        my ($rec) = records($q->{id}, 1);
        is("$rec->{outcome} $rec->{status} $rec->{drill}",
           $fault eq 'stall' ? 'client_gone 200 1' : 'client_gone 499 1',
           "$fault, HTTP/$v: recorded");
        is(exists $rec->{cost_nanousd} ? 1 : 0, $fault eq 'timeout' ? 0 : 1,
           "$fault, HTTP/$v: paid if somebody was asked");
        my $seen;
        ok(wait_for(2, sub { $seen = fault_seen($f->{id});
                             return $seen->{requests} }),
           "$fault, HTTP/$v: settled");
        is("$seen->{hit} $seen->{ok} $seen->{saved} $seen->{lost}", '1 0 0 0',
           "$fault, HTTP/$v: neither saved nor lost");
        fault_end($f->{id});
    }
}
is(way(ask()), 'a', 'nothing is held');



=== TEST 11: no file is left open
--- check
my @kinds = ([fault => 'status'], [fault => 'reset'],
             [fault => 'bad_credential', key_id => 'anonymous'],
             [fault => 'cut'], [fault => 'timeout'],
             [fault => 'slow_first_token', delay => '20ms']);
my $round = sub {
    my $n = shift;
    for my $kind (@kinds) {
        my $f = fault_begin(account => 'a', ttl => '1h', @$kind);
        my $slow = $kind->[1] eq 'timeout';
        my $q = [map { [stream => $_ % 2] } 1 .. ($slow ? 10 : 25)];
        for (1 .. ($slow ? 1 : $n)) {
            ask_all(@$q);
            accounts_open('a');
        }
        fault_end($f->{id});
        accounts_open('a');
    }
};
my $before = pairs();
my $f = fault_begin(account => 'a', fault => 'timeout');
my @q = map { open_request() } 1 .. 3;
ok(wait_for(3, sub { pairs() == $before + 6 }), 'three pairs are open');
answers(@q);
fault_end($f->{id});
$round->(4);
ok(wait_for(5, sub { pairs() == $before }), '500 later: none');
is(way(ask()), 'a', 'served');



=== TEST 12: a worker that dies
--- log_ok chomp
exited on signal 9
--- check
my $f = fault_begin(account => 'a', fault => 'stall');
my @q = map { open_request(stream => 1) } 1 .. 4;
ok(wait_for(4, sub { requests('a') == 4 }), 'they run');
kill_workers();
for (@q) {
    my ($rec) = records($_->{id}, 1);
    is("$rec->{error_class} $rec->{drill}", 'worker_lost 1', 'recorded');
}
is((records(ask(model => 'first')->{id}, 1))[0]{drill}, 0, 'others are not');



=== TEST 13: workers that stop while faults are met
--- check
my $f = fault_begin(account => 'a', fault => 'timeout', ttl => '1h');
my $q = open_request();
sleep 0.2;
reload();
my $r = answer($q);
is("$r->{status} " . trail($r), '200 a=504/timeout,b=200/ok',
   'a reload lets it end');
is(fault_seen($f->{id}, 1)->{saved}, 1, 'counted');
$q = open_request(class => 'batch');
sleep 0.2;



=== TEST 14: breakers open, and close when it is over
--- accounts
ai_breaker failures=3 rate=100 open=3s max_open=3s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
my $f = fault_begin(account => 'a', fault => 'status', ttl => '3s');
is(way(ask()), 'a,b', 'met') for 1 .. 3;
is(way(ask()), 'b', 'the breaker is open');
my $seen = fault_seen($f->{id}, 4);
is(join(' ', map { $_->{what} } @{ $seen->{timeline} }),
   'fault_started opened', 'as the timeline says');
is($seen->{detected_ms}, $seen->{timeline}[1]{at_ms}, 'detected then');
is("$seen->{timeline}[1]{model} $seen->{timeline}[1]{endpoint} "
   . "$seen->{timeline}[1]{detail}", 'm chat overloaded',
   'what, and why');
is("$seen->{requests} $seen->{hit} $seen->{ok} $seen->{saved}", '4 3 4 3',
   'counts');
sleep 3.1;
ok(wait_for(9, sub { way(ask()) eq 'a' }), 'and back');
$seen = fault_back($f->{id});
like(join(' ', map { $_->{what} } @{ $seen->{timeline} }),
     qr/^fault_started opened (reopened )*fault_ended recovered$/,
     'the timeline');
between($seen->{returned_ms}, $seen->{ended_ms}, time() * 1000 + 20,
        'returned');
