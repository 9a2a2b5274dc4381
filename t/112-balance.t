# Copyright (C) nginx-ai-route contributors

# How the requests of two workers are shared among the targets of a tier.

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
END

my $accounts = <<'END';
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 8;
    ai_account provider=compatible base=http://c/v1; }
ai_route weighted  { target a weight=3; target b; }
ai_route even      { target a; target b; }
ai_route busy      { balance least_busy; target a; target b; }
ai_route heavy     { balance least_busy; target a weight=3; target b; }
ai_route quick     { balance least_time; target a; target b; }
ai_route hash      { balance hash; target a; target b; target c; }
ai_route user      { balance hash "$http_x_user"; target a; target b;
                     target c; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b c)],
             perl => sub { eval shift });

sub cache_key { return (more => qq("prompt_cache_key":"$_[0]",)) }
sub session { return (head => "X-Session-Id: $_[0]\r\n") }
sub user { return (model => 'user', head => "X-User: $_[0]\r\n") }

sub turn {
    my $answer = operate(@_);

    die "$_[1] $_[0]: $answer->{status}\n" unless $answer->{success};
}

# the account of each of the keys, one request after the other
sub homes {
    my ($make, @keys) = @_;
    return join ' ', map { way(ask(model => 'hash', $make->($_))) } @keys;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: weighted, exactly
--- check
my @r = ask_all(([model => 'weighted']) x 80);
is(statuses(@r), '200:80', 'all are served');
is(join(' ', map { hits($_, @r) } qw(a b)), '60 20', 'both workers together');
@r = map { ask(model => 'weighted') } 1 .. 8;
like(join('', map { way($_) } @r, @r), qr/^a{0,3}(?:ba{3})+/, 'smoothly');

# the headers of answers tell that a is short
provider_fault('a', 'status=200 ratelimit=1/1000/60s');
ask(model => 'even') for 1 .. 2;
@r = ask_all(([model => 'even']) x 60);
is(statuses(@r), '200:60', 'short: all are served');
cmp_ok(hits('a', @r), '<', 12, 'short: most go elsewhere');
provider_fault('a', '');
accounts_open('a');
@r = ask_all(([model => 'even']) x 60);
between(hits('a', @r), 28, 32, 'well again');



=== TEST 2: least_busy
--- check
provider_fault('a', 'delay=900');
provider_fault('b', 'delay=45');
my @r = load(rate => 100, seconds => 3, each => sub { (model => 'busy') });
is(statuses(@r), '200:300', 'all are served');
# as many in flight at both: a twentieth, and more at the beginning
between(hits('a', @r), 6, 60, 'the slow one gets less');

# and the control
@r = load(rate => 100, seconds => 1, each => sub { (model => 'even') });
is(hits('a', @r), 50, 'weighted does not look');

provider_fault($_, 'delay=1200') for qw(a b);
@r = ask_all(([model => 'heavy']) x 120);
between(hits('a', @r), 84, 96, 'in flight by weight');



=== TEST 3: least_busy, workers killed under load
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'delay=5000');
my @q = map { open_request(model => 'even') } 1 .. 60;
ok(wait_for(2, sub { requests('a') == 30 }), 'half is at a');
kill_workers();
close $_->{socket} for @q;
provider_reset(qw(a b));
provider_fault($_, 'delay=700') for qw(a b);
my @r = ask_all(([model => 'busy']) x 40);
between(hits('a', @r), 17, 23, 'the dead are not counted as busy');



=== TEST 4: least_time
--- check
provider_fault('a', 'delay=300');
provider_fault('b', 'delay=30');
my @r = load(rate => 60, seconds => 3, each => sub { (model => 'quick') });
is(statuses(@r), '200:180', 'all are served');
between(hits('a', @r), 1, 54, 'the slow one gets less');

# streams: what counts is the first token
provider_fault('a', 'slow_first=300 words=2');
provider_fault('b', 'words=12 gap=35');
@r = load(rate => 40, seconds => 3,
          each => sub { (model => 'quick', stream => 1) });
is(statuses(@r), '200:120', 'streams: all are served');
between(hits('a', @r), 1, 48, 'streams: the one that begins late gets less');

# it is asked again some day, and is found to be well
provider_fault('a', 'words=2');
provider_fault('b', 'slow_first=300 words=2');
@r = load(rate => 40, seconds => 4,
          each => sub { (model => 'quick', stream => 1) });
my @end = @r[80 .. 159];
cmp_ok(hits('a', @end), '>', 48, 'when they change places');



=== TEST 5: hash
--- check
my @keys = map { "key-$_" } 1 .. 36;
my $home = homes(\&cache_key, @keys);
my %n;
$n{$_}++ for split ' ', $home;
is(join(' ', sort keys %n), 'a b c', 'all have keys');
cmp_ok((sort { $a <=> $b } values %n)[0], '>=', 4, 'all have their share');
is(homes(\&cache_key, @keys), $home, 'they stay there');
is(homes(sub { (cache_key($_[0]), stream => 1) }, @keys), $home,
   'streams, too');
reload();
is(homes(\&cache_key, @keys), $home, 'over a reload');

my $by_session = homes(\&session, @keys);
is(join(' ', sort keys %{{ map { $_ => 1 } split ' ', $by_session }}),
   'a b c', 'the header of sessions: all have keys');
is(homes(\&session, @keys), $by_session, 'the header of sessions');
is(homes(sub { (cache_key($_[0]), session('other')) }, @keys), $home,
   'the body comes first');
my $by_user = homes(\&user, @keys);
is(join(' ', sort keys %{{ map { $_ => 1 } split ' ', $by_user }}),
   'a b c', 'a variable: all have keys');
is(homes(\&user, @keys), $by_user, 'a variable');
my %m;
$m{way(ask(user('one'), cache_key($_)))}++ for @keys;
is(scalar keys %m, 1, 'and nothing but that');

# without a key: anywhere
my @r = map { ask(model => 'hash') } 1 .. 36;
is(scalar(grep { hits($_, @r) >= 3 } qw(a b c)), 3, 'without a key');

# one that is away: its keys go elsewhere, and come back
turn('a', 'disable');
my @now = split ' ', homes(\&cache_key, @keys);
my @was = split ' ', $home;
is(scalar(grep { $_ eq 'a' } @now), 0, 'a is away');
is(scalar(grep { $was[$_] ne 'a' && $was[$_] ne $now[$_] } 0 .. $#was), 0,
   'the others keep theirs');
my %to = map { $now[$_] => 1 } grep { $was[$_] eq 'a' } 0 .. $#was;
is(join(' ', sort keys %to), 'b c', 'its keys are spread');
turn('a', 'enable');
is(homes(\&cache_key, @keys), $home, 'all come back');



=== TEST 6: hash, one key that everybody uses
--- check
provider_fault($_, 'delay=1200') for qw(a b c);
my @r = ask_all(([model => 'hash', cache_key('hot')]) x 60);
is(statuses(@r), '200:60', 'all are served');
my @n = sort { $a <=> $b } map { hits($_, @r) } qw(a b c);
# 5/4 of a third
cmp_ok($n[2], '<=', 26, 'nobody gets more than 5/4 of its share');
cmp_ok($n[0], '>=', 8, 'the others take the rest');
provider_fault($_, '') for qw(a b c);
my %n = map { way(ask(model => 'hash', cache_key('hot'))) => 1 } 1 .. 12;
is(scalar keys %n, 1, 'without load it stays at home');



=== TEST 7: tiers in order
--- routes
ai_route t1 { target a; target b; target c tier=2; }
ai_route t2 { balance least_busy; target a; target b; target c tier=2; }
ai_route t3 { balance least_time; target a; target b; target c tier=2; }
ai_route t4 { balance hash; target a; target b; target c tier=2; }
--- check
my @models = qw(t1 t2 t3 t4);
sub used {
    my @r = ask_all(map { [model => $_[0], cache_key($_)] } 1 .. 24);
    return statuses(@r) . ' ' . join ' ', grep { hits($_, @r) } qw(a b c);
}
is(used($_), '200:24 a b', "$_: the first tier") for @models;
turn('a', 'drain');
is(used($_), '200:24 b', "$_: what is left of it") for @models;
turn('b', 'drain');
is(used($_), '200:24 c', "$_: the second") for @models;
turn('a', 'enable');
is(used($_), '200:24 a', "$_: the first again") for @models;
turn('b', 'enable');

# within one request, too
provider_fault($_, '500') for qw(a b);
my @r = map { ask(model => $models[$_ % 4]) } 1 .. 12;
is(scalar(grep { way($_) =~ /^(?:a,b|b,a),c$/ } @r), 12, 'failover');
is(statuses(@r), '200:12', 'all are served');



=== TEST 8: hash, two models of one account
--- routes
ai_route twins { balance hash; target a model=x; target a model=y; }
--- check
my %n;
$n{ask(model => 'twins', cache_key($_))->{h}{'x-ai-model'}}++ for 1 .. 24;
is(join(' ', sort keys %n), 'x y', 'both are used');
