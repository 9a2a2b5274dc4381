# Copyright (C) nginx-ai-route contributors

# The shared zone: what a reload changes about it, and what happens when it
# is full.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();

my $http = <<'END';
ai_usage off;
ai_zone ai 1m;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit requests=4r/d concurrent=50; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route b { target b; }
ai_route x* { target b; }
END

# a block may have a zone of its own
check_blocks(http => sub {
                 my $zone = $_[0]->zone;
                 (my $conf = $http) =~ s/ai 1m/$zone/ if defined $zone;
                 return defined $zone ? $conf : $http;
             }, reset => [qw(a b)], perl => sub { eval shift });

# changes the configuration and reloads it
sub edit {
    my ($from, $to) = @_;
    my $file = "$tmp/servroot/conf/nginx.conf";
    my $conf = slurp($file);

    $conf =~ s/$from/$to/ or die "no \"$from\" in nginx.conf\n";
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh $conf;
    close $fh;
    reload(gone => 1);
}

sub log_has {
    my ($pattern, $name) = @_;

    like(slurp("$tmp/servroot/logs/error.log"), $pattern, $name);
}

sub ways { return join ' ', map { way($_) } ask_all(map { [@_] } 1 .. $_[-1]) }

no_long_string();
run_tests();

__DATA__

=== TEST 1: another size keeps breakers, limits and the operator's word
--- check
is(way(ask()), 'a', 'the first of four') for 1 .. 3;
provider_fault('b', '500');
ask(model => 'b') for 1 .. 3;

edit('ai_zone ai 1m', 'ai_zone ai 2m');
log_has(qr/\[notice\].*zone "ai" has another size, \d+ entries/, 'said');
is(ask(model => 'b')->{status}, 502, 'the least bad probe');
is(ask(model => 'b')->{status}, 503, 'no second one: the breaker is open');
is(way(ask()), 'a', 'the fourth of four');
is(way(ask()), 'b', 'no fifth: the bucket moved, too');

provider_fault('b', '');
operate('b', 'reset');
operate('a', 'reset');
operate('b', 'drain');
edit('ai_zone ai 2m', 'ai_zone ai 300k');
is(ask(model => 'b')->{status}, 503, 'the same into a smaller one: drained');
is(ask()->{status}, 429, 'no fifth either');
operate('b', 'enable');
is(way(ask()), 'b', 'enabled');



=== TEST 2: other limits, the same share of them
--- check
is(way(ask()), 'a', 'two of four') for 1 .. 2;
edit('requests=4r/d', 'requests=8r/d');
log_has(qr/\[notice\].*ai account "a" has other limits than before/, 'said');
is(way(ask()), 'a', 'half of eight') for 1 .. 4;
is(way(ask()), 'b', 'and no more');
my $log = slurp("$tmp/servroot/logs/error.log");
is(() = $log =~ /other limits than before/g, 1, 'said once');



=== TEST 3: an account goes and comes back while it has requests in flight
--- check
provider_fault('a', 'words=4 gap=500');
my @q = map { open_request(stream => 1) } 1 .. 2;
ok(wait_for(2, sub { requests('a') == 2 }), 'two streams run');
edit('target a; target b tier=2;', 'target b;');
edit('upstream a \{', 'upstream other {');
is(way(ask()), 'b', 'without it');
my @r = answers(@q);
is(scalar(grep { $_->{complete} && $_->{body} =~ /\[DONE\]/ } @r), 2,
   'the streams are finished');
edit('upstream other \{', 'upstream a {');
edit('target b; \}\nai_route b', "target a; target b tier=2; }\nai_route b");
is(way(ask()), 'a', 'its limit was kept');
is(way(ask()), 'a', 'four of four');
is(way(ask()), 'b', 'and no more');



=== TEST 4: full of cells, accounts and their limits stay
--- check
# some 700 bytes for each model: more than fits
for my $round (1 .. 40) {
    my @r = ask_all(map { [model => "x-$round-$_"] } 1 .. 50);
    is(statuses(@r), '200:50', "round $round");
}
is(way(ask()), 'a', 'a limit') for 1 .. 4;
is(way(ask()), 'b', 'is still one');
provider_fault('b', '500');
ask(model => 'b') for 1 .. 3;
my $n = requests('b');
is(ask(model => 'b')->{status}, 502, 'the least bad probe');
is(ask(model => 'b')->{status}, 503, 'breakers work');
is(requests('b'), $n + 1, 'not asked');



=== TEST 5: too small for its accounts
--- zone chomp
small 256k
--- routes eval
CORE::join '', map {
    "upstream u$_ { server 127.0.0.1:1;"
    . " ai_account provider=vllm base=http://u/v1; }\n"
    . "ai_route u$_ { target u$_; }\n"
} 1 .. 600
--- must_die
--- error_log eval
qr/\[emerg\].*zone "small" is too small for 602 accounts/



=== TEST 6: another size: the money of requests under way is not forgotten
--- routes
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://c/v1;
    ai_price * input=0 output=1000; ai_limit budget=0.035usd/total; }
ai_route paid { target c; }
--- check
my @paid = (model => 'paid', more => '"max_tokens":10,');
provider_fault('a', 'words=10 delay=1500');
my @q = map { open_request(@paid) } 1 .. 3;
ok(wait_for(2, sub { requests('a') == 3 }), 'three are under way');
edit('ai_zone ai 1m', 'ai_zone ai 2m');
provider_fault('a', 'words=10');
is(ask(@paid)->{status}, 503, 'there is no money for a fourth');
is(requests('a'), 3, 'which is not sent');
