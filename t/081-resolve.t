# Copyright (C) nginx-ai-route contributors

# resolve=: the names in an account's server lines are resolved again while
# nginx runs; keepalive, the block's balancing and requests in flight survive.
#
# A small name server answers as the check last told it.  What nginx finds when
# it starts comes from the system, so the names are some that every system
# knows without a name server: "localhost", and "127.1", which is short for
# 127.0.0.1 and which nginx takes for a name.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient qw(open_request answers);
use AILog;
use AIWorkers;

use HTTP::Tiny ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Socket ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();
my $port = free_port();
my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
    or die "udp: $!\n";
my $ipv6 = ipv6();
my ($owner, @pids) = $$;

$ENV{TEST_NGINX_DNS} = $dns->sockport;
$ENV{TEST_NGINX_P} = $port;

push @pids, AIRoute::spawn('providers', build_dir() . '/ai-provider',
                           '--listen', "127.0.0.1:$port=one",
                           '--listen', "127.0.0.2:$port=two",
                           $ipv6 ? ('--listen', "[::1]:$port=six") : ());
AIRoute::certificates();
$ENV{TEST_NGINX_T} = my $tls = free_port();
push @pids, AIRoute::spawn('tls', build_dir() . '/ai-provider',
                           '--tls-cert', "$tmp/cert.pem",
                           '--tls-key', "$tmp/key.pem",
                           '--tls-listen', "127.0.0.1:$tls=one",
                           '--tls-listen', "127.0.0.2:$tls=two");
wait_port($tls) or die "no TLS providers\n";
dns_says('* TIMEOUT');
push @pids, fork_dns();
wait_port($port) or die "no providers\n";

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; attempts 4; }
resolver 127.0.0.1:$TEST_NGINX_DNS ipv6=on;
resolver_timeout 2s;
END

my $one = <<'END';
upstream a { %s server localhost:$TEST_NGINX_P; keepalive 4;
    ai_account provider=openai base=http://a.test/v1 resolve=1s; }
ai_route m { target a; }
END

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('must_die', '') if defined $block->refused;
    $block->set_value('error_log', [$block->says]) if defined $block->refused;
});

check_blocks(http => sub {
                 my $block = shift;

                 return $block->refused if defined $block->refused;
                 dns_says('* TIMEOUT');
                 return ($block->ipv6 ? $http =~ s/ipv6=on/ipv6=off/r : $http)
                        . (defined $block->blocks
                           ? $block->blocks
                           : sprintf $one, $block->method || '');
             },
             config => "location /plain/ { proxy_pass http://a/v1/; }\n",
             before => sub {
                 page($_, 'POST', '/__reset') for qw(127.0.0.1 127.0.0.2);
             },
             perl => sub { eval shift });

sub ipv6 {
    socket my $s, Socket::AF_INET6(), Socket::SOCK_STREAM(), 0 or return 0;
    return bind $s, Socket::pack_sockaddr_in6($port,
                        Socket::inet_pton(Socket::AF_INET6(), '::1'));
}

# One line per name ("*": every other), then its addresses or one of NXDOMAIN,
# SERVFAIL, TIMEOUT; "SWAP" is one address that alternates from query to query.

sub dns_says {
    open my $fh, '>', "$tmp/dns.new" or die "dns: $!\n";
    print $fh map { "$_\n" } @_;
    close $fh;
    rename "$tmp/dns.new", "$tmp/dns" or die "dns: $!\n";
}

sub dns_queries { return scalar(() = slurp("$tmp/dns.log") =~ /\n/g) }

sub fork_dns {
    my $pid = fork;
    my ($n, $query) = 0;

    die "fork: $!\n" unless defined $pid;
    return $pid if $pid;

    open my $log, '>>', "$tmp/dns.log";
    $log->autoflush(1);

    while (1) {
        my $from = $dns->recv($query, 4096);
        next unless defined $from && length $query > 12;

        my ($pos, @labels) = 12;
        while (my $len = ord substr $query, $pos, 1) {
            push @labels, substr $query, $pos + 1, $len;
            $pos += $len + 1;
        }
        my $question = substr $query, 12, $pos + 5 - 12;
        my ($type) = unpack 'n', substr $query, $pos + 1, 2;
        my $name = join '.', @labels;
        my %say = map { /^(\S+) +(.*)/ ? ($1, $2) : () }
                  split /\n/, slurp("$tmp/dns");
        my $say = defined $say{$name} ? $say{$name} : $say{'*'};

        print $log "$name $type\n";
        next if $say eq 'TIMEOUT';

        my $code = $say eq 'NXDOMAIN' ? 3 : $say eq 'SERVFAIL' ? 2 : 0;
        my @addrs = $code ? () : split ' ', $say;

        @addrs = ('127.0.0.' . (1 + $n++ % 2)) if $say eq 'SWAP' && $type == 1;
        @addrs = map { /:/ ? $type == 28 ? Socket::inet_pton(
                                               Socket::AF_INET6(), $_) : ()
                           : $type == 1 && /\d/ ? Socket::inet_aton($_) : () }
                 @addrs;

        $dns->send(pack('a2 n n n n n', substr($query, 0, 2), 0x8180 | $code,
                        1, scalar @addrs, 0, 0)
                   . $question
                   . join('', map { pack 'n n n N n/a*', 0xc00c, $type, 1, 0,
                                         $_ } @addrs),
                   0, $from);
    }
}

sub page {
    my ($addr, $method, $path) = @_;

    return HTTP::Tiny->new->request($method, "http://$addr:$port$path")
           ->{content};
}

sub connections {
    my $stats = JSON::PP::decode_json(page($_[0], 'GET', '/__stats'));

    return $stats->{connections};
}

# the name of the provider that answered, or the status
sub ask {
    my $r = AIClient::ask(path => ($_[0] || '/v1') . '/chat/completions');

    return $r->{body} =~ /"fp_(\w+)"/ ? $1 : $r->{status};
}

# these and no others, within five seconds
sub served_by {
    my $want = join ' ', sort @_;

    return wait_for(5, sub {
        my %seen;
        $seen{ask()}++ for 1 .. 8;
        return join(' ', sort keys %seen) eq $want;
    });
}

END {
    local $?;
    if ($$ == $owner) {
        kill 'TERM', $_ for @pids;
        waitpid $_, 0 for @pids;
    }
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: the addresses of the start serve until there are others
--- check
is(ask(), 'one', 'while the name server is silent');
ok(wait_for(5, sub {
    log_count('\[warn\].*"localhost" of account "a" cannot be '
              . 'resolved \(110: .*its last addresses stay')
}), 'said');
is(ask(), 'one', 'and afterwards');
sleep 4;
is(log_count('cannot be resolved'), 1, 'said once');
dns_says('localhost 127.0.0.2');
ok(served_by('two'), 'the new address');
is(log_count('\[notice\].*"localhost" of account "a" is resolved again'), 1,
   'said once');



=== TEST 2: kept connections stay, whatever happens to the addresses
--- check
dns_says('localhost 127.0.0.1');
is(ask(), 'one', 'before');
wait_for(5, sub { ask(); log_count('resolved again') || dns_queries() });
for (1 .. 30) {
    ask();
    sleep 0.1;
}
is(connections('127.0.0.1'), 1, 'one connection');
dns_says('localhost 127.0.0.2');
ok(served_by('two'), 'another address');
is(connections('127.0.0.2'), 1, 'one connection');
dns_says('localhost 127.0.0.2 127.0.0.1');
ok(served_by('one', 'two'), 'both');
is(connections('127.0.0.1'), 1, 'the first is still kept');
is(connections('127.0.0.2'), 1, 'and the second');



=== TEST 3: no answer, no such name: the last addresses stay
--- check
dns_says('localhost 127.0.0.2');
ok(served_by('two'), 'an address');
for my $fault (qw(NXDOMAIN SERVFAIL TIMEOUT)) {
    my $before = log_count('cannot be resolved');
    dns_says("localhost $fault");
    ok(wait_for(9, sub { log_count('cannot be resolved') > $before }),
       "$fault: said");
    sleep 2.5;
    ok(served_by('two'), "$fault: it stays");
    is(log_count('cannot be resolved'), $before + 1, "$fault: said once");
    dns_says('localhost 127.0.0.2');
    ok(wait_for(9, sub { log_count('is resolved again') == $before + 1 }),
       "$fault: over");
}



=== TEST 4: a stream in flight survives the change, and many
--- check
dns_says('localhost 127.0.0.1');
page('127.0.0.1', 'POST', '/__reset');
HTTP::Tiny->new->post("http://127.0.0.1:$port/__fault",
                      { content => "ok words=25 gap=200\n" });
sleep 1.5;
# 25 words and five seconds
my @streams = map { open_request(path => "$_/chat/completions", stream => 1,
                                 version => '1.0') } '/v1', '/plain';
sleep 0.3;
dns_says('localhost SWAP');
sleep 4;
for my $r (answers(@streams)) {
    like($r->{body}, qr/word24.*\[DONE\]/s, 'complete');
    like($r->{body}, qr/fp_one/, 'from where it began');
}
ok(wait_for(10, sub { log_count('has new addresses') > 2 }),
   'addresses changed, again and again');
dns_says('localhost 127.0.0.2');
ok(served_by('two'), 'then others');
is(ask('/plain'), 'two', 'for proxy_pass, too');



=== TEST 5: least_conn
--- method: least_conn;
--- check
for (['127.0.0.2', 'two'], ['127.0.0.1', 'one'],
     ['127.0.0.1 127.0.0.2', 'one', 'two'], ['127.0.0.2', 'two'])
{
    my ($say, @want) = @$_;
    dns_says("localhost $say");
    ok(served_by(@want), $say);
}



=== TEST 6: hash
--- method: hash $remote_port;
--- check
for (['127.0.0.2', 'two'], ['127.0.0.1', 'one'],
     ['127.0.0.1 127.0.0.2', 'one', 'two'], ['127.0.0.2', 'two'])
{
    my ($say, @want) = @$_;
    dns_says("localhost $say");
    ok(served_by(@want), $say);
}



=== TEST 7: hash consistent
--- method: hash $remote_port consistent;
--- check
for (['127.0.0.2', 'two'], ['127.0.0.1', 'one'],
     ['127.0.0.1 127.0.0.2', 'one', 'two'], ['127.0.0.2', 'two'])
{
    my ($say, @want) = @$_;
    dns_says("localhost $say");
    ok(served_by(@want), $say);
}



=== TEST 8: ip_hash
--- method: ip_hash;
--- check
for (['127.0.0.2', 'two'], ['127.0.0.1', 'one'], ['127.0.0.2', 'two']) {
    my ($say, @want) = @$_;
    dns_says("localhost $say");
    ok(served_by(@want), $say);
}



=== TEST 9: several names, a literal, a backup; each in its place
--- blocks
upstream a {
    server 127.1:$TEST_NGINX_P weight=3;
    server 127.0.1:$TEST_NGINX_P backup;
    server 127.0.0.1:$TEST_NGINX_DEAD_PORT down;
    keepalive 4;
    ai_account provider=openai base=http://a.test/v1 resolve=1s;
}
ai_route m { target a; }
--- check
dns_says('127.1 127.0.0.1', '127.0.1 127.0.0.2');
sleep 1.5;
ok(served_by('one'), 'the backup rests');
dns_says('127.1 127.0.0.2', '127.0.1 127.0.0.1');
ok(served_by('two'), 'the other way round');
# nobody listens there
dns_says('127.1 127.0.0.3', '127.0.1 127.0.0.1');
ok(served_by('one'), 'the backup serves');
dns_says('127.1 NXDOMAIN', '127.0.1 127.0.0.2');
ok(served_by('two'), 'one of two names is gone');
--- log_ok: \[error\]



=== TEST 10: the order of the answers is no change
--- check
dns_says('localhost 127.0.0.1 127.0.0.2');
ok(served_by('one', 'two'), 'both');
my $before = log_count('has new addresses');
for (1 .. 2) {
    dns_says('localhost 127.0.0.2 127.0.0.1');
    sleep 1.6;
    dns_says('localhost 127.0.0.1 127.0.0.2 127.0.0.1');
    sleep 1.6;
}
is(log_count('has new addresses'), $before, 'nothing changed');



=== TEST 11: max_fails is remembered of a server that stays
--- blocks
upstream a {
    server 127.1:$TEST_NGINX_P max_fails=1 fail_timeout=60s;
    ai_account provider=openai base=http://a.test/v1 resolve=1s;
}
ai_route m { target a; }
--- check
dns_says('127.1 127.0.0.3 127.0.0.1');
wait_for(9, sub { log_count('has new addresses') });
ask() for 1 .. 4;
my $before = log_count('connect\(\) failed');
is($before, 1, 'the dead server was tried once');
dns_says('127.1 127.0.0.3 127.0.0.1 127.0.0.2');
ok(served_by('one', 'two'), 'one more');
is(log_count('connect\(\) failed'), $before, 'the dead one is not tried again');
--- log_ok: \[error\]



=== TEST 12: IPv6
--- check
SKIP: {
    skip('no IPv6 loopback', 3) unless $ipv6;
    dns_says('localhost ::1');
    ok(served_by('six'), 'IPv6 alone');
    dns_says('localhost ::1 127.0.0.1');
    ok(served_by('one', 'six'), 'both');
    dns_says('localhost 127.0.0.1');
    ok(served_by('one'), 'IPv4 alone');
}



=== TEST 13: resolver's ipv6=off is honoured
--- blocks
upstream a { server localhost:$TEST_NGINX_P;
    ai_account provider=openai base=http://a.test/v1 resolve=1s; }
ai_route m { target a; }
--- check
dns_says('localhost ::1 127.0.0.2');
ok(served_by('two'), 'IPv4 only');
--- ipv6: off



=== TEST 14: reload
--- check
dns_says('localhost 127.0.0.2');
ok(served_by('two'), 'before');
nginx_signal('HUP');
sleep 1;
ok(served_by('two'), 'after');
dns_says('localhost 127.0.0.1');
ok(served_by('one'), 'and further');



=== TEST 15: the TLS session of a server that stays is used on
--- blocks
upstream a { server localhost:$TEST_NGINX_T; $TEST_NGINX_NO_KEEPALIVE
    ai_account provider=openai base=https://localhost/v1 trusted=$TEST_NGINX_CA
               resolve=1s; }
ai_route m { target a; }
--- check
dns_says('localhost 127.0.0.1 127.0.0.2');
ok(served_by('one', 'two'), 'both');
dns_says('localhost 127.0.0.1');
ok(served_by('one'), 'one');
my $last = HTTP::Tiny->new(verify_SSL => 0)->get(
    "https://127.0.0.1:$tls/__last")->{content};
like($last, qr/"tls_session_reused": *(true|1)/, 'reused');
dns_says('localhost SWAP');
for (1 .. 40) {
    ask();
    sleep 0.1;
}
dns_says('localhost 127.0.0.1 127.0.0.2');
ok(served_by('one', 'two'), 'both again');



=== TEST 16: without a resolver
--- refused
upstream a { server localhost:81;
    ai_account provider=openai base=http://a.test/v1 resolve=1s; }
ai_route m { target a; }
--- says eval
qr/\[emerg\].*"resolve=" of account "a" needs name servers, write "resolver ADDRESS;" in http \{\} in .*nginx.conf:\d+/



=== TEST 17: without names
--- refused
resolver 127.0.0.1;
upstream a { server 127.0.0.1:81; server unix:/tmp/x; server [::1]:80;
    ai_account provider=openai base=http://a.test/v1 resolve=1s; }
ai_route m { target a; }
--- says eval
qr/\[emerg\].*"resolve=" of account "a" is useless, its servers are addresses/



=== TEST 18: with a zone
--- refused
resolver 127.0.0.1;
upstream a { zone a 64k; server localhost:81;
    ai_account provider=openai base=http://a.test/v1 resolve=1s; }
ai_route m { target a; }
--- says eval
qr/\[emerg\].*"resolve=" of account "a" does not work with "zone"/



=== TEST 19: with random
--- refused
resolver 127.0.0.1;
upstream a { random; server localhost:81; keepalive 2;
    ai_account provider=openai base=http://a.test/v1 resolve=1s; }
ai_route m { target a; }
--- says eval
qr/\[emerg\].*"resolve=" of account "a" does not work with "random"/
