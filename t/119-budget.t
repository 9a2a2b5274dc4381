# Copyright (C) nginx-ai-route contributors

# Money that accounts may cost, over reloads and restarts, and classes that
# leave a part of accounts' limits to others.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();
my $file;

# a request of prompt=10 and words=10 costs 10 * 1 + 10 * 10 microdollars, and
# no less is reserved: its body has some 44 bytes, 4 for each token
my $http = <<'END';
ai_usage off;
ai_zone ai 1m state=%s;
ai_price * input=1 output=10;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class low { expose trail; max_wait off; retry_same off; yield 40%%; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; %s }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
END

# each block has a folder of its own: what is there counts from the start
sub folder { my ($n) = $_[0]->name =~ /TEST (\d+)/; return "$tmp/state-$n" }

check_blocks(http => sub { sprintf $http, folder($_[0]), $_[0]->limit },
             reset => [qw(a b)],
             before => sub {
                 $file = folder($_[0]) . '/budgets';
                 provider_fault('a', 'prompt=10 words=10');
             },
             perl => sub { eval shift });

# what a has spent, in microdollars, by the last line of the file
sub spent {
    my @l = -e $file ? grep { / account / } split /\n/, slurp($file) : ();

    return @l ? (split ' ', $l[-1])[5] / 1000 : 0;
}

# max_tokens bounds what is reserved: 10 tokens of output
sub cheap { return more => '"max_tokens":10,', @_ }

no_long_string();
run_tests();

__DATA__

=== TEST 1: no more than the budget, many at once
--- limit
ai_limit budget=0.0011usd/day;
--- check
my @r = ask_all(map { [cheap(stream => $_ % 2)] } 1 .. 40);
is(statuses(@r), '200:40', 'all are served');
my $n = hits('a', @r);
cmp_ok($n, '<=', 10, 'a by no more than its budget');
cmp_ok($n, '>=', 5, 'and by nearly all of it');
my $m = 0;
while (way(ask(cheap())) eq 'a') { last if ++$m > 20 }
is($n + $m, 10, 'one after the other they use all of it');

my $alone = ask(cheap(model => 'alone'));
is($alone->{status}, 503, 'nobody else');
is(error_code($alone), 'no_target', 'code');
like($alone->{body}, qr/quota_exhausted/, 'says why');
is($alone->{h}{'x-should-retry'}, 'false', 'a retry is of no use today');

accounts_open('a');
is(way(ask(cheap())), 'b', 'reset does not give money');
reload();
is(way(ask(cheap())), 'b', 'nor does a reload');



=== TEST 2: settled with the true cost
--- limit
ai_limit budget=0.01usd/day;
--- check
# 30 tokens may cost 300 and more, 1 token costs 110
provider_fault('a', 'prompt=100 words=1');
my $n = 0;
for (1 .. 100) {
    last if way(ask(more => '"max_tokens":30,')) ne 'a';
    $n++;
}
between($n, 86, 90, '10000 microdollars are 90 requests of 110');



=== TEST 3: what failed costs nothing
--- limit
ai_limit budget=0.00055usd/day;
--- check
provider_fault('a', '500');
is(way(ask(cheap())), 'a,b', 'tried') for 1 .. 4;
provider_fault('a', 'prompt=10 words=10');
accounts_open('a');
is(way(ask(cheap())), 'a', 'there is money') for 1 .. 5;
is(way(ask(cheap())), 'b', 'then it is spent');



=== TEST 4: over a restart
--- limit
ai_limit budget=0.0011usd/day,0.003usd/total;
--- check
is(way(ask(cheap())), 'a', 'spent') for 1 .. 6;
nginx_stop();
is(spent(), 660, 'written down');
nginx_start();
is(way(ask(cheap())), 'a', 'what was left') for 1 .. 4;
is(way(ask(cheap())), 'b', 'and no more');



=== TEST 5: killed, master and workers
--- limit
ai_limit budget=0.0011usd/day;
--- log_ok chomp
exited on signal 9
--- check
is(way(ask(cheap())), 'a', 'spent') for 1 .. 6;
ok(wait_for(3, sub { spent() == 660 }), 'written within a second or two');
nginx_kill();
nginx_start();
is(way(ask(cheap())), 'a', 'what was left') for 1 .. 4;
is(way(ask(cheap())), 'b', 'and no more');



=== TEST 6: a file that is damaged
--- limit
ai_limit budget=0.0011usd/day;
--- check
is(way(ask(cheap())), 'a', 'spent') for 1 .. 6;
nginx_stop();
open my $fh, '>>', $file or die;
print $fh "v1 00000000 account day 0 1 a\nrubbish\n\0\0\0\nv1 5";
close $fh;
nginx_start();
like(slurp("$tmp/servroot/logs/error.log"),
     qr/\[warn\].*ai budgets restored from ".*": \d+, lines that are damaged: 4/,
     'said');
is(way(ask(cheap())), 'a', 'what was left') for 1 .. 4;
is(way(ask(cheap())), 'b', 'and no more');



=== TEST 7: the file is written anew when it has grown
--- limit
ai_limit budget=1usd/day;
--- check
is(way(ask(cheap())), 'a', 'spent');
nginx_stop();
my $line = (grep { /account/ } split /\n/, slurp($file))[-1];
open my $fh, '>>', $file or die;
print $fh "$line\n" for 1 .. 1024 * 1024 / length $line;
close $fh;
nginx_start();
is(way(ask(cheap())), 'a', 'spent more');
ok(wait_for(5, sub { -s $file < 10000 && spent() == 220 }), 'small again')
    or diag(-s $file, ' ', spent());
ok(!-e "$file.new", 'nothing is left beside it');



=== TEST 8: workers die while they hold reservations
--- limit
ai_limit budget=0.0011usd/day;
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'prompt=10 words=10 gap=300');
my @q = map { open_request(cheap(stream => 1)) } 1 .. 4;
ok(wait_for(2, sub { requests('a') == 4 }), 'four run');
kill_workers();
provider_fault('a', 'prompt=10 words=10');
my $n = 0;
while (way(ask(cheap())) eq 'a') { last if ++$n > 20 }
between($n, 5, 6, 'what they may have cost is spent, no more and no less');



=== TEST 9: a class that yields: requests in flight
--- limit
ai_limit concurrent=10;
--- check
provider_fault('a', 'words=4 gap=200');
my @low = map { open_request(class => 'low', stream => 1) } 1 .. 10;
sleep 0.3;
is(requests('a'), 6, 'it leaves four of ten');
my @high = map { open_request(stream => 1) } 1 .. 10;
sleep 0.3;
is(requests('a'), 10, 'which the others have');
my @r = answers(@low, @high);
is(statuses(@r), '200:20', 'all are served');



=== TEST 10: a class that yields: a rate
--- limit
ai_limit requests=10r/d;
--- check
is(hits('a', ask_all(([class => 'low']) x 10)), 6, 'six of ten');
is(hits('a', ask_all(([]) x 10)), 4, 'the rest is for others');



=== TEST 11: a class that yields: what the provider says is left
--- limit
--- check
provider_fault('a', 'ratelimit=50/100/20s');
ask();
is(way(ask(class => 'low')), 'a', 'half is left');
provider_fault('a', 'ratelimit=39/100/20s');
ask();
is(way(ask(class => 'low')), 'b', 'less than it must leave');
is(way(ask()), 'a', 'others go on');
