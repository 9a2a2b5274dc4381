# Copyright (C) nginx-ai-route contributors

# ai_limit: what an account is held to, ahead of sending, by all workers.

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
ai_class default { expose trail; max_wait off; retry_same off; }
END

my $accounts = '';

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

# the provider's own count of requests that it has at once
sub together {
    my ($name, $seconds) = @_;
    my ($end, $max) = (time() + $seconds, 0);

    while (time() < $end) {
        my $s = stats($name);
        my $n = $s->{requests} - $s->{completed} - $s->{aborted};
        $max = $n if $n > $max;
        sleep 0.01;
    }
    return $max;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: requests, many at once
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit requests=50r/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
--- check
my @r = ask_all(([]) x 300);
is(statuses(@r), '200:300', 'all are served');
is(requests('a'), 50, 'no more than the limit');
is(requests('b'), 250, 'the others go to the next target');
is(scalar(grep { trail($_) !~ /^[ab]=200\/ok$/ } @r), 0,
   'without being tried first');

@r = ask_all(([model => 'alone']) x 20);
is(statuses(@r), '429:20', 'nowhere else to go');
is(error_code($r[0]), 'rate_limit_exceeded', 'code');
# one in 72 s
between($r[0]{h}{'retry-after'} || 0, 40, 73, 'Retry-After');
is($r[0]{h}{'x-ai-attempts'}, undef, 'nothing was tried');
is(requests('a'), 50, 'not asked');



=== TEST 2: requests, refilled
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit requests=20r/s; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
my $start = time();
my @r = load(rate => 150, seconds => 3);
my $took = time() - $start;
is(statuses(@r), '200:450', 'all are served');
# the bucket, then 20 a second
between(requests('a'), 70, 21 + 20 * $took, 'the limit is used and kept');
is(requests('a') + requests('b'), 450, 'each was sent once');

# failures count as well, and no retry goes beyond it
sleep 1;
provider_reset(qw(a b));
provider_fault('a', '500');
@r = ask_all(([]) x 100);
is(statuses(@r), '200:100', 'failing: all are served');
between(requests('a'), 15, 40, 'failing: the limit is kept');



=== TEST 3: tokens
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit tokens=10kt/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
# reserved are 400 and the prompt, and they are used
provider_fault('a', 'words=400 prompt=20 delay=300');
my @r = ask_all(([more => '"max_tokens":400,']) x 200);
is(statuses(@r), '200:200', 'all are served');
my $n = requests('a');
between($n, 15, 24, 'reserved before they are sent');
is(way(ask(more => '"max_tokens":9000,')), 'b', 'too large for the rest');



=== TEST 4: tokens that were not used
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit tokens=10kt/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
provider_fault('a', 'words=4 prompt=6 delay=300');
my @r = ask_all(([more => '"max_tokens":3000,']) x 30);
is(statuses(@r), '200:30', 'all are served');
is(requests('a'), 3, 'three at once');
provider_fault('a', 'words=4 prompt=6');
@r = map { ask(more => '"max_tokens":3000,', stream => $_ % 2) } 1 .. 20;
is(hits('a', @r), 20, 'one after the other, 10 tokens each');

# failures use nothing
provider_fault('a', 'status=500');
@r = map { ask(more => '"max_tokens":3000,') } 1 .. 20;
is(hits('a', @r), 20, 'failures use nothing');

# more used than reserved: a debt, and nothing goes until it is paid
provider_fault('a', 'words=4 prompt=20000');
is(way(ask(more => '"max_tokens":10,')), 'a', 'used more than reserved');
provider_fault('a', '');
is(way(ask(more => '"max_tokens":10,')), 'b', 'a debt');



=== TEST 5: concurrent
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit concurrent=7; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
--- check
provider_fault('a', 'delay=1200');
my @q = map { open_request(stream => $_ % 2) } 1 .. 250;
is(together('a', 0.8), 7, 'as many as allowed');
my $r = ask(model => 'alone');
is("$r->{status} " . error_code($r), '429 rate_limit_exceeded',
   'nowhere else to go');
between($r->{h}{'retry-after'} || 0, 1, 2, 'Retry-After');
my @r = answers(@q);
is(statuses(@r), '200:250', 'all are served');
is(hits('b', @r), 250 - hits('a', @r), 'by a or b');

# under load that fails and succeeds; then with answers that break
provider_fault('a', join "\n",
               ('times=3 delay=60', 'times=2 status=500 delay=10',
                'times=2 delay=90') x 5, 'delay=60');
my $max = 0;
@r = load(rate => 150, seconds => 2,
          each => sub { (stream => $_[0] % 2) },
          at => [map { [$_ / 20, sub {
              my $s = stats('a');
              my $n = $s->{requests} - $s->{completed} - $s->{aborted};
              $max = $n if $n > $max;
          }] } 1 .. 35]);
between($max, 4, 7, 'under load');
is(statuses(@r), '200:300', 'nobody is refused');

provider_fault('a', join "\n", ('times=2 cut=2', 'times=2 close',
                                'times=2 reset', 'times=1 ok') x 3, 'cut=1');
@r = load(rate => 100, seconds => 0.6, each => sub { (stream => 1) });
cmp_ok(scalar(grep { !$_->{complete} || $_->{body} =~ /error/ } @r), '>', 5,
       'answers that break');

provider_reset('a');
provider_fault('a', 'delay=400');
ask_all(([]) x 20);
is(requests('a'), 7, 'after failures: all slots are there');

# clients that leave
provider_reset('a');
provider_fault('a', 'delay=5000');
@q = map { open_request(stream => $_ % 2) } 1 .. 7;
ok(wait_for(2, sub { requests('a') == 7 }), 'all are taken');
close $_->{socket} for @q;
ok(wait_for(2, sub { stats('a')->{aborted} == 7 }), 'all leave');
provider_reset('a');
provider_fault('a', 'delay=400');
ask_all(([]) x 20);
is(requests('a'), 7, 'after aborts: all slots are there');

# streams hold theirs to the end
provider_reset('a');
provider_fault('a', 'words=6 gap=200');
@q = map { open_request(stream => 1) } 1 .. 7;
sleep 0.6;
is(way(ask()), 'b', 'a running stream holds its slot');
answers(@q);
is(way(ask()), 'a', 'and gives it back');



=== TEST 6: concurrent, workers killed under load
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit concurrent=6; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- log_ok chomp
exited on signal 9
--- check
for my $round (1 .. 2) {
    provider_reset('a');
    provider_fault('a', 'delay=3000');
    my @q = map { open_request() } 1 .. 12;
    ok(wait_for(2, sub { requests('a') == 6 }), 'all are taken');
    is(way(ask()), 'b', 'no more');
    if ($round == 1) {
        kill_workers();
    } else {
        # one of two: the other's stay counted
        my ($one) = workers_now();
        kill 'KILL', $one;
        sleep 0.5;
    }
    my $left = stats('a');
    $left = $left->{requests} - $left->{completed} - $left->{aborted};
    close $_->{socket} for grep { $round == 1 } @q;

    my @r = map { open_request() } 1 .. 12;
    sleep 0.4;
    my $s = stats('a');
    is($s->{requests} - $s->{completed} - $s->{aborted}, 6,
       "round $round: all slots are there again, and not more ($left left)");
    close $_->{socket} for @q, @r;
    sleep 0.3;
}
provider_reset('a');
provider_fault('a', 'delay=400');
ask_all(([]) x 20);
is(requests('a'), 6, 'in the end');



=== TEST 7: over a reload
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit concurrent=4 requests=30r/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
provider_fault('a', 'delay=2500');
my @q = map { open_request() } 1 .. 3;
ok(wait_for(2, sub { requests('a') == 3 }), 'three run');
reload();
my @r = map { open_request() } 1 .. 5;
sleep 0.4;
is(requests('a'), 4, 'the old workers count');
@r = answers(@q, @r);
is(statuses(@r), '200:8', 'all are served');
provider_fault('a', '');
@r = map { ask() } 1 .. 40;
is(requests('a'), 30, 'the rate goes on');
is(statuses(@r), '200:40', 'all are served');
