# Copyright (C) nginx-ai-route contributors

# Requests that wait for an account to come back: until when, in which order,
# how many, and what becomes of those who leave; with two workers, over
# HTTP/1.1 and HTTP/2.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
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

$ENV{TEST_NGINX_OWN} = free_port();
$ENV{TEST_NGINX_H2} = free_port();

my $http = <<'END';
log_format ai escape=none
    '$ai_request_id|$status|$ai_attempts|$ai_fallback|$ai_trail|$ai_outcome|'
    '$ai_error_class|$ai_queue_ms|$ai_ttft_ms';
access_log $TEST_NGINX_TMP/ai.log ai;
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1; }
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }

ai_class default { expose trail; max_wait off; retry_same off; attempts 8; }
ai_class q    { expose trail; max_wait off; retry_same off; attempts 8;
                queue 10s; }
ai_class low  { expose trail; max_wait off; queue 10s; priority 1; }
ai_class high { expose trail; max_wait off; queue 10s; priority 9; }

ai_route m     { target a; }
ai_route two   { target a model=m; target b; }
ai_route other { target b; }
ai_route own   { target own; }

server {
    listen 127.0.0.1:$TEST_NGINX_H2 http2;
    location /v1/ { ai_pass; }
}
END

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

# the request's line in the access log
sub logged {
    my $r = shift;
    my $line = wait_for(3, sub {
        slurp("$tmp/ai.log") =~ /^\Q$r->{id}\E\|(.*)$/m ? "$1" : ""
    });
    my %l;
    @l{qw(status attempts fallback trail outcome class queue ttft)} =
        split /\|/, $line || '', -1;
    return \%l;
}

# makes an account cool down
sub cool {
    my ($seconds, $name, $model) = @_;

    provider_fault($name || 'a', "times=1 status=429 retry_after=$seconds\nok");
    is(ask(model => $model || 'm')->{status}, 429, 'cools down');
}

# a request over HTTP/2 in the background; h2_end() waits for it
sub h2_start {
    my %o = (model => 'm', max => 15, @_);

    $o{id} = 'h' . ++$id . '-' . $$;
    $o{start} = time();
    open $o{fh}, '-|', 'curl', '-s', '--http2-prior-knowledge', '-m', $o{max},
         '-o', "$tmp/$o{id}", '-w', '%{http_code} %{time_total}',
         '-H', "X-Request-ID: $o{id}", '-H', "X-AI-Class: $o{class}",
         '--data-binary', qq({"model":"$o{model}","messages":[]}),
         "http://127.0.0.1:$ENV{TEST_NGINX_H2}/v1/chat/completions"
        or die "curl: $!\n";
    return \%o;
}

sub h2_end {
    my $q = shift;
    my $fh = $q->{fh};

    @{$q}{qw(status took)} = split / /, scalar(<$fh>) || '0 99';
    close $fh;
    $q->{body} = -e "$tmp/$q->{id}" ? slurp("$tmp/$q->{id}") : '';
    return $q;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: until the cooldown ends
--- check
provider_fault('a', "times=1 status=429 retry_after_ms=1200\nok");
my @q = (open_request(class => 'q'));
sleep 0.2;
push @q, open_request(class => 'q', stream => 1), open_request(class => 'q');
my @h = (h2_start(class => 'q'), h2_start(class => 'q'));
sleep 0.1;
is(stats('a')->{requests}, 1, 'nobody else is asked meanwhile');

my ($first, @r) = answers(@q);
is("$first->{status} " . trail($first), '200 a=429/rate_limit,a=200/ok',
   'the one that found out');
within($first, 1.2, 2.2, 'the one that found out');
is($first->{h}{'x-ai-fallback'}, 'retry', 'fallback');
for (@r) {
    is("$_->{status} " . trail($_), '200 a=200/ok', 'later ones');
    within($_, 0.9, 2, 'later ones');
    ok($_->{complete}, 'later ones: complete');
    my $l = logged($_);
    is("$l->{outcome} $l->{attempts} $l->{fallback}", 'ok 1 none',
       'later ones: log');
    cmp_ok($l->{queue}, '>=', 850, 'later ones: time in the queue');
    cmp_ok($l->{queue}, '<=', 2000, 'later ones: not more');
}
for (map { h2_end($_) } @h) {
    is($_->{status}, 200, 'HTTP/2');
    within($_, 0.9, 2.2, 'HTTP/2');
    is(logged($_)->{outcome}, 'ok', 'HTTP/2: log');
}
is(stats('a')->{requests}, 6, 'each was sent once');



=== TEST 2: without a queue nobody waits, and nobody waits without need
--- check
cool(5);
my $r = ask();
is("$r->{status} " . error_code($r), '429 rate_limit_exceeded', 'no queue');
is($r->{h}{'x-ai-attempts'}, undef, 'no queue: nobody was asked');
like($r->{h}{'retry-after'}, qr/^[456]$/, 'no queue: Retry-After');
is($r->{h}{'x-should-retry'}, 'true', 'no queue: x-should-retry');
within($r, 0, 0.4, 'no queue');

$r = ask(class => 'q', model => 'two');
is("$r->{status} " . trail($r), '200 b=200/ok', 'another account');
within($r, 0, 0.4, 'another account');

# an error that a queue does not mend
provider_fault('b', '500');
$r = ask(class => 'q', model => 'other');
is($r->{status}, 502, 'a server error is not queued');
within($r, 0, 0.4, 'a server error is not queued');



=== TEST 3: by priority, then by age
--- check
my $port = $ENV{TEST_NGINX_OWN};
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port,
                              ReuseAddr => 1, Listen => 64) or die $!;
my $pid = fork;
if ($pid == 0) {
    # one after the other, so that the order is that of the connections
    setpgrp;
    while (my $c = $l->accept) {
        my $q = '';
        sysread $c, $q, 65536, length $q or last
            until $q =~ /\r\n\r\n.*\}\z/s;
        my ($name) = $q =~ /"name":"(\w+)"/;
        open my $fh, '>>', "$tmp/order" or die;
        syswrite $fh, "$name\n";
        my $body = '{"choices":[{"message":{"content":"x"}}]}';
        syswrite $c, ($name eq 'cool'
                      ? "HTTP/1.1 429 X\r\nretry-after-ms: 1500\r\n"
                      : "HTTP/1.1 200 OK\r\n")
            . "Content-Type: application/json\r\nConnection: close\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
        close $c;
    }
    POSIX::_exit(0);
}
push @children, $pid;

is(ask(model => 'own', more => '"name":"cool",')->{status}, 429, 'cools');
my @q;
for (['low', 'low1'], ['low', 'low2'], ['q', 'mid1'], ['high', 'high1'],
     ['low', 'low3'], ['high', 'high2'], ['q', 'mid2'])
{
    push @q, open_request(model => 'own', class => $$_[0],
                          more => qq("name":"$$_[1]",));
    sleep 0.06;
}
my @r = answers(@q);
is(join(' ', map { $_->{status} } @r), join(' ', (200) x 7), 'all served');
is(join(' ', split /\n/, slurp("$tmp/order")),
   'cool high1 high2 mid1 mid2 low1 low2 low3', 'order');
within($_, 0.9, 3, 'in time') for @r;



=== TEST 4: clients that leave
--- routes
ai_class one { expose trail; max_wait off; retry_same off; queue 10s max=1; }
--- check
cool(20);
my $n = stats('a')->{requests};

my $q = open_request(class => 'one');
sleep 0.3;
is(error_code(ask(class => 'one')), 'queue_full', 'the only place is taken');
close $q->{socket};
my $l = logged($q);
is("$l->{status} $l->{outcome} $l->{attempts}", '499 client_gone 0',
   'HTTP/1.1: log');
is($l->{class}, 'client_closed', 'HTTP/1.1: class');

# the place is free again, for one
my $h = h2_start(class => 'one', max => 0.5);
sleep 0.25;
is(error_code(ask(class => 'one')), 'queue_full', 'taken again');
h2_end($h);
$l = logged($h);
is("$l->{status} $l->{outcome} $l->{attempts}", '499 client_gone 0',
   'HTTP/2: log');

# after an attempt
provider_fault('b', 'status=429 retry_after=20');
$q = open_request(class => 'q', model => 'other');
sleep 0.3;
close $q->{socket};
$l = logged($q);
is("$l->{status} $l->{outcome} $l->{attempts}", '499 client_gone 1',
   'after an attempt: log');

operator_reset('a');
is(ask(class => 'one')->{status}, 200, 'the gateway is well');
is(stats('a')->{requests}, $n + 1, 'who left was not sent');



=== TEST 5: a full queue answers at once
--- routes
ai_class small { expose trail; max_wait off; retry_same off;
                 queue 2s max=3; }
--- check
cool(20);
my @q = map { open_request(class => 'small') } 1 .. 3;
sleep 0.25;
my @full = ask_all(map { [class => 'small'] } 1 .. 4);
for (@full) {
    is("$_->{status} " . error_code($_), '503 queue_full', 'full');
    within($_, 0, 0.5, 'full');
    like($_->{h}{'retry-after'}, qr/^\d+$/, 'full: Retry-After');
    is($_->{h}{'x-should-retry'}, 'true', 'full: x-should-retry');
    is($_->{h}{'x-ai-attempts'}, undef, 'full: nothing was tried');
    is(logged($_)->{outcome}, 'error', 'full: log');
}
my $h = h2_end(h2_start(class => 'small'));
is("$h->{status} " . error_code($h), '503 queue_full', 'full, HTTP/2');

# another class has places of its own
my $q = open_request(class => 'q');
sleep 0.2;
operator_reset('a');
is(join(' ', map { $_->{status} } answers(@q, $q)), '200 200 200 200',
   'those in it are served, the other class too');
my @again = ask_all(map { [class => 'small'] } 1 .. 8);
is(join(' ', map { $_->{status} } @again), join(' ', (200) x 8), 'empty again');



=== TEST 6: the time in it is bounded
--- routes
ai_class brief { expose trail; max_wait off; retry_same off; queue 600ms; }
ai_class late  { expose trail; max_wait off; retry_same off; queue 10s;
                 deadline 900ms; }
--- check
cool(30);
my @q = (open_request(class => 'brief'), open_request(class => 'late'));
my @h = (h2_start(class => 'brief'), h2_start(class => 'late'));
my ($brief, $late) = answers(@q);

is("$brief->{status} " . error_code($brief), '429 rate_limit_exceeded',
   'queue');
within($brief, 0.6, 1.4, 'queue');
like($brief->{h}{'retry-after'}, qr/^(?:2[89]|3[01])$/, 'queue: Retry-After');
is(logged($brief)->{outcome}, 'error', 'queue: log');
is("$late->{status} " . error_code($late), '504 deadline_exceeded',
   'deadline');
within($late, 0.9, 1.7, 'deadline');
h2_end($_) for @h;
is("$h[0]{status} $h[1]{status}", '429 504', 'HTTP/2');

# one that was tried first: its own failure is told
operator_reset('a');
provider_fault('a', 'status=429 retry_after=30');
my $r = ask(class => 'brief');
is("$r->{status} " . trail($r), '429 a=429/rate_limit', 'tried first');
within($r, 0.6, 1.4, 'tried first');



=== TEST 7: many at once, in both workers, are all served once
--- check
cool(1);
my @q = map { open_request(class => qw(q low high)[$_ % 3],
                           stream => $_ % 2) } 1 .. 24;
my @h = map { h2_start(class => qw(q low high)[$_ % 3]) } 1 .. 6;
my @r = answers(@q);
is(scalar(grep { $_->{status} == 200 && $_->{complete}
                 && trail($_) eq 'a=200/ok' } @r), 24, 'HTTP/1.1');
is(scalar(grep { h2_end($_)->{status} == 200 } @h), 6, 'HTTP/2');
is(stats('a')->{requests}, 31, 'each once');
my @took = sort { $a <=> $b } map { $_->{took} } @r;
cmp_ok($took[-1], '<', 4, 'soon');



=== TEST 8: a worker that dies gives its places back
--- routes
ai_class small { expose trail; max_wait off; retry_same off;
                 queue 10s max=4; }
--- log_ok chomp
exited on signal 9
--- check
cool(30);
my @q = map { open_request(class => 'small') } 1 .. 4;
sleep 0.3;
is(error_code(ask(class => 'small')), 'queue_full', 'full');

my ($master) = slurp("$tmp/servroot/logs/nginx.pid") =~ /(\d+)/;
my @workers = split ' ', `ps -o pid= --ppid $master`;
is(scalar @workers, 2, 'two workers');
kill 'KILL', @workers;
wait_for(5, sub {
    my @new = split ' ', `ps -o pid= --ppid $master`;
    return @new == 2 && "@new" ne "@workers";
});
sleep 0.2;
close $_->{socket} for @q;

@q = map { open_request(class => 'small') } 1 .. 4;
sleep 0.4;
is(error_code(ask(class => 'small')), 'queue_full', 'four places, not more');
operator_reset('a');
is(join(' ', map { $_->{status} } answers(@q)), '200 200 200 200', 'served');
