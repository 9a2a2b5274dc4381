# Copyright (C) nginx-ai-route contributors

# One queue for classes that may use different accounts: who comes first for
# an account, and who waits for none of one's own.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIWorkers;

use Time::HiRes qw(time sleep);

workers(2);

my $http = ai_log() . <<'END';
ai_usage off;
ai_breaker failures=0 rate=100;
ai_price m input=1 output=1;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; ai_limit concurrent=2; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1;
    ai_price * input=2 output=2; }

ai_class default { expose trail; max_wait off; retry_same off; attempts 1; }
ai_class second  { max_wait off; retry_same off; accounts b; }
ai_class all    { expose trail; max_wait off; retry_same off; queue 10s;
                  priority 9; }
ai_class own    { expose trail; max_wait off; retry_same off; queue 10s;
                  priority 9; accounts a; }
ai_class polite { expose trail; max_wait off; retry_same off; queue 10s;
                  priority 8; accounts a; yield 50%; }
ai_class cheap  { expose trail; max_wait off; retry_same off; queue 10s;
                  priority 1; allow_costlier off; }
ai_class low    { expose trail; max_wait off; retry_same off; queue 10s;
                  priority 1; }
ai_class hasty  { expose trail; max_wait 2s; retry_same off; queue 10s;
                  priority 1; }

ai_route m { target a; target b tier=2; }
END

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# accounts taken away; they come back when an operator says so
my %class = (a => 'default', b => 'second');

sub away {
    for (@_) {
        provider_fault($_, "times=1 status=429 retry_after=20\nok");
        is(ask(class => $class{$_})->{status}, 429, "$_ is away");
    }
}

# the order in which answers ended, by their classes
sub order {
    return join ' ', map { $_->{class} }
           sort { $a->{start} + $a->{took} <=> $b->{start} + $b->{took} } @_;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: classes with different accounts, by priority, for one they share
--- check
away(qw(a b));
provider_fault('a', 'delay=400');

my @q;
for my $class (qw(cheap cheap low low own own all all)) {
    push @q, open_request(class => $class);
    sleep 0.05;
}
operator_reset('a');
my @r = answers(@q);
is(statuses(@r), '200:8', 'all are served');
is(hits('a', @r), 8, 'by the one that came back');
like(order(@r), qr/^(?:own|all)(?: (?:own|all)){3} (?:cheap|low)/, 'order')
    or diag(order(@r));



=== TEST 2: who waits for one account holds nobody up at another
--- check
away('a');
my @q = map { open_request(class => 'own') } 1, 2;
sleep 0.3;
for my $class (qw(low all hasty)) {
    my $r = ask(class => $class);
    is("$r->{status} " . way($r), '200 b', "$class: goes elsewhere");
    within($r, 0, 0.4, $class);
}
my $c = open_request(class => 'cheap');
sleep 0.3;
operator_reset('a');
my @r = answers(@q, $c);
is(statuses(@r), '200:3', 'then those are served, too');
is(hits('b', @r), 0, 'where they may go');



=== TEST 3: who leaves room to others does not keep them from it
--- check
provider_fault('a', 'words=6 gap=300');
my @run = map { open_request(class => 'own', stream => 1) } 1;
sleep 0.2;
# one of two is taken, the other one is not for this class
my $polite = open_request(class => 'polite', stream => 1);
sleep 0.3;
is(requests('a'), 1, 'it waits');
my $r = open_request(class => 'cheap', stream => 1);
sleep 0.3;
is(requests('a'), 2, 'a lower class takes the room that it leaves');
my @r = answers(@run, $polite, $r);
is(statuses(@r), '200:3', 'all are served');
is(hits('a', @r), 3, 'by one account');
cmp_ok(logged($r[1])->{queue}, '>=', 800, 'the one that waited');



=== TEST 4: nobody overtakes by coming late, or by a short wait
--- check
away('b');
provider_fault('a', 'delay=500');
my @run = map { open_request(class => 'own') } 1, 2;
sleep 0.1;
my $hasty = open_request(class => 'hasty');
sleep 0.1;
my @all = map { open_request(class => 'own') } 1 .. 4;
sleep 0.1;
my $late = open_request(class => 'cheap');
my @r = answers(@run, $hasty, @all, $late);
is(statuses(@r), '200:8', 'all are served');
is((split / /, order(@r))[$_], 'own', 'first') for 0 .. 5;
is(join(' ', sort((split / /, order(@r))[6, 7])), 'cheap hasty', 'then others');
