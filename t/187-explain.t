# Copyright (C) nginx-ai-route contributors

# GET explain: what it says is what a request then meets, and it changes
# nothing.

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
END

my $accounts = <<'END';
ai_breaker failures=2 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 8;
    ai_account provider=compatible base=http://c/v1; }
END

my $json = JSON::PP->new->utf8;

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b c)],
             perl => sub { eval shift });

sub explain_raw {
    my %o = (method => 'GET', @_);
    my $method = delete $o{method};
    my $port = Test::Nginx::Util::server_port();
    my $query = exists $o{query} ? $o{query} : join '&', map {
        (my $v = $o{$_}) =~ s/([^A-Za-z0-9._-])/sprintf '%%%02x', ord $1/ge;
        "$_=$v";
    } sort keys %o;

    return HTTP::Tiny->new->request($method,
               "http://127.0.0.1:$port/ai/explain" . ($query && "?$query"));
}

sub explain {
    my $answer = explain_raw(model => 'm', @_);

    die "explain: $answer->{status} $answer->{content}\n"
        unless $answer->{status} == 200;
    return $json->decode($answer->{content});
}

sub candidates { return @{ $_[0]{plan}[$_[1] || 0]{candidates} } }

# accounts in the order in which they would be tried
sub order {
    my @c = grep { defined $_->{order} } candidates(@_);

    return join ',', map { $_->{account} } @c;
}

sub of { my ($e, $name) = @_;
         return (grep { $_->{account} eq $name } candidates($e))[0] }

sub left {
    my @c = grep { !defined $_->{order} } candidates(@_);

    return join ' ', map { "$_->{account}=$_->{reason}" } @c;
}

sub noted { my ($e, $re) = @_; return scalar grep { /$re/ } @{ $e->{notes} } }

# the answer that is promised is the answer that is given
sub same_refusal {
    my ($e, $r, $what) = @_;
    my $told = eval { $json->decode($r->{body})->{error} } || {};
    # explain knows of no prompt, which costs, too
    my ($one, $two) = map { (my $s = $_ || '') =~ s/in \d+ s/in N s/;
                            $s =~ s/may cost \S+ usd/may cost N usd/; $s }
                          $e->{refusal}{message}, $told->{message};
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(!$e->{allowed}, "$what: not allowed");
    is("$e->{refusal}{status} $e->{refusal}{code}",
       "$r->{status} $told->{code}", "$what: status and code");
    is($one, $two, "$what: message");
}

sub turn {
    my $answer = operate(@_);

    die "$_[1] $_[0]: $answer->{status}\n" unless $answer->{success};
}

# so many failures in a row at one account
sub broken {
    my ($name, $script, $n, %o) = @_;

    provider_fault($name, $script);
    ask(%o) for 1 .. $n || 1;
    provider_fault($name, '');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: weighted
--- routes
ai_route m { target a weight=3; target b; target c tier=2; }
--- check
my $e = explain();
is(join(' ', map { "$_=" . ($e->{$_} // 'null') }
             qw(model route class key_id endpoint balance)),
   'model=m route=m class=default key_id=null endpoint=chat/completions '
   . 'balance=weighted', 'what it is about');
ok($e->{allowed} && !$e->{stream} && !defined $e->{refusal}, 'allowed');
is_deeply($e->{notes}, [], 'nothing to say');
is(scalar @{ $e->{plan} }, 1, 'one plan');
is(join(' ', map { "$_->{order}:$_->{account}" } candidates($e)),
   '1:a 2:b 3:c', 'in order');

my %share = map { $_->{account} => $_->{share} } candidates($e);
is("$share{a} $share{b} $share{c}", '75 25 100', 'shares within tiers');
is(join(' ', map { $_->{score} } candidates($e)), '3 1 1', 'scores');
is(of($e, 'a')->{score_unit}, 'smooth_weight', 'of what');

my $c = of($e, 'a');
is(join(' ', map { "$_=" . ($c->{$_} // 'null') }
             qw(provider model tier weight reason cause back_ms state breaker
                percent inflight cost_nanousd input_usd_per_mtok)),
   'provider=compatible model=m tier=1 weight=3 reason=null cause=null '
   . 'back_ms=null state=open breaker=closed percent=100 inflight=0 '
   . 'cost_nanousd=null input_usd_per_mtok=null', 'a candidate');
ok($c->{eligible}, 'eligible');
is_deeply($c->{limits}, [], 'no limits');

# each time the one that is next
my @wrong = grep {
    my $said = order(explain());
    my $way = way(ask());
    $said !~ /^$way,/;
} 1 .. 12;
is(scalar @wrong, 0, 'the next one, each time');

my @r = ask_all(([]) x 100);
is(hits('a', @r), $share{a}, 'shares agree with what happens');



=== TEST 2: weighted, a target is away
--- routes
ai_route m { target a weight=3; target b weight=2; target c; }
--- check
# the turns of those that are away count, too: the order is that of a request
turn('a', 'drain');
my @wrong = grep {
    my $said = order(explain());
    my $way = way(ask());
    $said !~ /^$way,/;
} 1 .. 20;
is(scalar @wrong, 0, 'the next one, each time');
my $e = explain();
is(left($e), 'a=stopped', 'the one that is away');
is(of($e, 'b')->{share}, '66.7', 'share of those that are left');
is(of($e, 'a')->{share}, 0, 'none for the other one');
turn('a', 'enable');



=== TEST 3: least_busy
--- routes
ai_route m { balance least_busy; target a; target b; }
ai_route many { balance least_busy; target a; target b; target c; }
--- check
provider_fault('a', 'delay=4000');
my @q = map { open_request(model => 'm') } 1 .. 1;
my @more;
# whichever it was
ok(wait_for(2, sub { requests('a') + requests('b') >= 1 }), 'one is there');
push @more, open_request(model => 'm') for 1 .. 3;
ok(wait_for(2, sub { requests('a') >= 1 }), 'and one that takes long');
sleep 0.2;
my $e = explain();
is(order($e), 'b,a', 'the idle one first');
cmp_ok(of($e, 'a')->{score}, '>', of($e, 'b')->{score}, 'by the score');
is(of($e, 'a')->{score_unit}, 'inflight', 'of what');
is(of($e, 'a')->{score}, of($e, 'a')->{inflight}, 'requests per weight');
is(way(ask()), 'b', 'and so it is');
is(noted(explain(model => 'many'), qr/two of 3 are drawn/), 1,
   'of three two are looked at');
answers(@q, @more);



=== TEST 4: least_time
--- routes
ai_route m { balance least_time; target a; target b; }
--- check
provider_fault('a', 'delay=1000');
provider_fault('b', 'delay=60');
ask_all(([]) x 2) for 1 .. 6;
ok(requests('a') && requests('b'), 'both are known');
my $e = explain();
is(order($e), 'b,a', 'the quicker one first');
is(of($e, 'a')->{score_unit}, 'ms', 'of what');
between(of($e, 'b')->{score}, 20, 900, 'the time of one');
cmp_ok(of($e, 'a')->{score}, '>', of($e, 'b')->{score}, 'and of the other');
is(way(ask()), 'b', 'and so it is');



=== TEST 5: least_cost, prices
--- accounts
ai_price known input=1 output=2;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_price m input=2.5 output=10; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_price m input=0.15 output=0.6; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    ai_account provider=compatible base=http://c/v1; }
ai_class frugal { expose trail; max_price input=1; }
ai_class same { expose trail; allow_costlier off; }
--- routes
ai_route m { balance least_cost; target a; target b; target c; }
ai_route dear { target a model=m; target c model=m; }
ai_route first { target b model=m; target a model=m tier=2; }
--- check
my $e = explain(input_tokens => 1000, max_tokens => 100);
is(order($e), 'b,a,c', 'the cheapest first, the unknown last');
is(way(ask()), 'b', 'and so it is');
is(of($e, 'a')->{cost_nanousd}, 1000 * 2500 + 100 * 10000, 'cost');
is(of($e, 'a')->{score}, of($e, 'a')->{cost_nanousd}, 'is the score');
is(of($e, 'c')->{cost_nanousd}, undef, 'unknown is not free');
is(of($e, 'c')->{score}, undef, 'no score');
is(join(' ', map { $_->{share} } candidates($e)), '100 0 0', 'shares');
is(join(' ', map { of($e, 'a')->{$_} } qw(input_usd_per_mtok
                                          output_usd_per_mtok)), '2.5 10',
   'prices as they are listed');
is(of($e, 'b')->{input_usd_per_mtok}, '0.15', 'of the other one');
is(noted($e, qr/^the price of "m" at c is not known$/), 1, 'said');
is("$e->{input_tokens} $e->{output_tokens}", '1000 100', 'for so many tokens');
is(explain()->{output_tokens}, 1024, 'or as many as the class assumes');

$e = explain(class => 'frugal');
is(order($e), 'b', 'a class with a limit');
is(left($e), 'a=cost c=cost', 'the others are too dear');
is(noted($e, qr/^a is not tried: it is too dear for class "frugal"$/), 1,
   'said of one');
is(noted($e, qr/^c is not tried: class "frugal" has a limit/), 1,
   'and of the other');
is(way(ask(class => 'frugal')), 'b', 'and so it is');

same_refusal(explain(model => 'dear', class => 'frugal'),
             ask(model => 'dear', class => 'frugal'), 'too dear');
is(left(explain(model => 'dear', class => 'frugal')), 'a=cost c=cost',
   'too dear: the plan is there');
is(left(explain(model => 'first', class => 'same')), 'a=cost',
   'costlier than the first tier');



=== TEST 6: hash
--- routes
ai_route m { balance hash; target a; target b; target c weight=2; }
--- check
my (@wrong, %n);
for my $i (1 .. 30) {
    my $e = explain(session => "s$i");
    my ($said) = order($e) =~ /^(.)/;
    my $way = way(ask(head => "X-Session-Id: s$i\r\n"));
    push @wrong, "$i: $said $way" if $said ne $way;
    $n{$said}++;
    my @s = map { $_->{score} } candidates($e);
    push @wrong, "$i: @s" if "@s" ne join ' ', sort { $a <=> $b } @s;
}
is_deeply(\@wrong, [], 'where each session goes, by the lowest draw');
is(join(' ', sort keys %n), 'a b c', 'to all of them');

my $e = explain(session => 's1');
is(order($e), order(explain(session => 's1')), 'always the same');
is(of($e, 'c')->{share}, 50, 'share by weight');
is(of($e, 'c')->{score_unit}, 'draw', 'of what');
is(noted($e, qr/session/), 0, 'nothing to say');
is(noted(explain(), qr/has no session/), 1, 'without one');

# the second in the order is where it goes when the first is away
my ($one, $two) = split /,/, order($e);
turn($one, 'disable');
is(way(ask(head => "X-Session-Id: s1\r\n")), $two, 'and the next one');
turn($one, 'enable');



=== TEST 7: tripped, and a probe that is due
--- accounts
ai_breaker failures=2 rate=100 open=4s max_open=4s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
--- routes
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
--- check
broken('a', '500', 2);
my $e = explain();
is(order($e), 'b', 'tripped: the next tier');
is(left($e), 'a=tripped', 'tripped: why');
my $a = of($e, 'a');
is("$a->{state} $a->{breaker} $a->{cause}", 'tripped open server_error',
   'tripped: state');
between($a->{back_ms} / 1000 - time(), 0, 4.2, 'tripped: back');
is($a->{percent}, 100, 'tripped: no ramp');
is(noted($e,
   '^a is not tried: its breaker is open since \d+ m?s, the next '
   . 'probe is due in \d+ m?s$'),
   1, 'tripped: said');
is(way(ask()), 'b', 'tripped: and so it is');

$e = explain(stream => 1);
is(order($e), 'a,b', 'streams have a breaker of their own');
ok($e->{stream}, 'said of streams');
is(order(explain(stream => 'true')), 'a,b', 'in the other spelling');

# another model is another cell
is(order(explain(model => 'alone')), 'a', 'so has another model');

ok(wait_for(9, sub { order(explain()) eq 'a,b' }), 'probe due');
$e = explain() for 1 .. 50;
is(order($e), 'a,b', 'probe due: it is asked');
is(of($e, 'a')->{state}, 'probing', 'probe due: state');
is(of($e, 'a')->{share}, 0, 'probe due: no share of the requests');
is(noted($e, qr/^a gets one request, as a probe/), 1, 'probe due: said');
provider_fault('a', '500');
is(way(ask()), 'a,b', 'probe due: nobody had taken it');
is(left(explain()), 'a=tripped', 'tripped again');

# a probe that is out
provider_fault('a', 'delay=3000');
ok(wait_for(9, sub { of(explain(), 'a')->{state} eq 'probing' }), 'due again');
my $q = open_request();
ok(wait_for(2, sub { of(explain(), 'a')->{breaker} eq 'half_open' }),
   'half open');
is(noted(explain(),
   '^a is not tried: its breaker is open .* a probe is out just '
   . 'now$'),
   1, 'said');
answer($q);
is(left(explain()), '', 'closed');



=== TEST 8: all are tripped
--- routes
ai_route m { target a; target b; }
--- check
# one after the other, or the breaker of one would keep from the other
broken($_, '500', 4) for qw(a b);
turn('a', 'drain') if order(explain()) =~ /a/;
ok(wait_for(1, sub { left(explain()) =~ /a=\w+ b=tripped/
                     || order(explain()) =~ /^[ab]$/ }), 'both are away');
# and one of them went to see, less than a second ago
my $e = explain();
if (order($e) eq '') {
    same_refusal($e, ask(), 'nobody goes to see');
    ok(wait_for(2, sub { order(explain()) ne '' }), 'nor for long');
}
$e = explain();
my ($said) = order($e);
like($said, qr/^[ab]$/, 'one goes to see');
my ($c) = grep { defined $_->{order} } candidates($e);
is("$c->{reason} $c->{eligible}", 'tripped 0', 'before its probe is due');
is(noted($e, qr/^every breaker is open: one request goes to $said/), 1,
   'said');
ok($e->{allowed}, 'allowed');
explain() for 1 .. 50;
is(way(ask()), $said, 'and so it is');



=== TEST 9: cooling, closed, limited, stopped
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_limit requests=2r/h tokens=100kt/h concurrent=9 budget=5usd/day; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    ai_account provider=compatible base=http://c/v1; }
--- routes
ai_price * input=1 output=1;
ai_route m { target a; target c tier=2; }
ai_route lim { target b; target c tier=2; }
ai_route other { target a; }
ai_route only { target b; }
--- check
broken('a', 'status=429 retry_after=30');
my $e = explain();
is(order($e) . ' ' . left($e), 'c a=cooling', 'cooling');
is(of($e, 'a')->{cause}, 'rate_limit', 'cooling: cause');
between(of($e, 'a')->{back_ms} / 1000 - time(), 25, 31, 'cooling: back');
is(noted($e,
   '^a is not tried: it cools down after rate_limit, for another '
   . '\d+ s$'),
   1, 'cooling: said');
is(way(ask()), 'c', 'cooling: and so it is');
is(order(explain(model => 'other')), 'a', 'cooling: of that model alone');
turn('a', 'reset');

broken('a', 'status=401');
$e = explain();
is(order($e) . ' ' . left($e), 'c a=closed', 'closed');
is(of($e, 'a')->{cause}, 'auth', 'closed: cause');
is(noted($e,
   '^a is not tried: it is closed by auth, the next probe is due '
   . 'in \d+ s$'),
   1, 'closed: said');
is(way(ask()), 'c', 'closed: and so it is');
same_refusal(explain(model => 'other'), ask(model => 'other'), 'closed');
turn('a', 'reset');

for ([drain => 'drained'], [disable => 'disabled']) {
    my ($action, $word) = @$_;
    turn('a', $action);
    $e = explain();
    is(order($e) . ' ' . left($e), 'c a=stopped', $action);
    is(of($e, 'a')->{back_ms}, undef, "$action: nobody knows how long");
    is(noted($e, qr/^a is not tried: an operator $word it$/), 1,
       "$action: said");
    is(way(ask()), 'c', "$action: and so it is");
    same_refusal(explain(model => 'other'), ask(model => 'other'), $action);
    turn('a', 'enable');
}

# nothing is made for who only asks
explain(model => 'lim') for 1 .. 5;
my $limits = of(explain(model => 'lim'), 'b')->{limits};
is_deeply([map { [@{$_}{qw(what per limit used)}] } @$limits],
          [['requests', 'hour', 2, 0], ['tokens', 'hour', 100000, 0],
           ['concurrent', undef, 9, 0],
           ['budget', 'day', 5000000000, 0]], 'limits, not used');
ok(!defined $limits->[0]{resets_ms}, 'a rate has no end');
between($limits->[3]{resets_ms} / 1000 - time(), 0, 86401, 'a budget has');

is(way(ask(model => 'lim', more => '"max_tokens":10,')), 'b', 'one is used');
$limits = of(explain(model => 'lim'), 'b')->{limits};
is($limits->[0]{used}, 1, 'limits: requests');
cmp_ok($limits->[1]{used}, '>', 0, 'limits: tokens');
cmp_ok($limits->[3]{used}, '>', 0, 'limits: money');

ask(model => 'lim', more => '"max_tokens":10,');
$e = explain(model => 'lim', max_tokens => 10);
is(order($e) . ' ' . left($e), 'c b=limited', 'limited');
is(of($e, 'b')->{cause}, 'rate_limit', 'limited: cause');
is(noted($e, '^b is not tried: its limits let no more through '
             . '\(rate_limit\)'), 1, 'limited: said');
is(way(ask(model => 'lim')), 'c', 'limited: and so it is');
same_refusal(explain(model => 'only'), ask(model => 'only'), 'limited');



=== TEST 10: classes, endpoints, backups, gates
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=anthropic base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    ai_account provider=compatible base=http://c/v1; }
ai_class onlyb { expose trail; accounts b; }
ai_class back { expose trail; max_wait off; allow_backup on; attempts 1; }
ai_class man { expose trail; max_wait off; allow_backup manual; }
ai_class line { expose trail; max_wait off; queue 3s; allow_backup off; }
ai_class wait { expose trail; max_wait 9s; }
--- routes
ai_route m { target b; target c; backup spare extra; }
ai_route spare { target c model=other; target b tier=2; }
ai_route extra { target a; }
ai_route lone { target c; }
ai_route talk { target a; }
--- check
my $e = explain(class => 'onlyb');
is(order($e) . ' ' . left($e), 'b c=class', 'class: accounts');
is(noted($e, qr/^c is not tried: it is no account of class "onlyb"$/), 1,
   'class: said');
is(way(ask(class => 'onlyb')), 'b', 'class: and so it is');
same_refusal(explain(model => 'lone', class => 'onlyb'),
             ask(model => 'lone', class => 'onlyb'), 'class: no account');
same_refusal(explain(class => 'no"such'), ask(class => 'no"such'),
             'class: unknown');
is_deeply(explain(class => 'nosuch')->{plan}, [], 'class: no plan');
is(explain(class => 'nosuch')->{class}, undef, 'class: none');

$e = explain(model => 'talk', endpoint => 'rerank');
is(left($e), 'a=endpoint', 'endpoint');
is(noted($e, qr/^a is not tried: its provider anthropic has no rerank$/), 1,
   'endpoint: said');
same_refusal($e, ask(model => 'talk', path => '/v1/rerank'), 'endpoint');
is(explain(model => 'lone', endpoint => $_)->{endpoint}, 'images/generations',
   "endpoint: $_") for qw(images images/generations /images/generations);

is(noted(explain(class => 'line'), qr/^class "line" uses no backup models$/), 1,
   'backups: off');
is(scalar @{ explain(class => 'line')->{plan} }, 1, 'backups: off, not there');

$e = explain(class => 'back');
is(join(' ', map { "$_->{model}:" . ($_->{backup} ? 1 : 0) }
             @{ $e->{plan} }), 'm:0 spare:1 extra:1', 'backups: there');
is(order($e, 1), 'c,b', 'backups: their order');
is((candidates($e, 1))[0]{model}, 'other', 'backups: their models');
is(noted($e, qr/^class "back" makes at most 1 attempts/), 1,
   'attempts of the class');
turn($_, 'disable') for qw(b c);
$e = explain(class => 'back');
is(noted($e,
   '^no account of the route may be used now: the backup model '
   . '"extra" answers$'),
   1, 'backups: which one answers');
ok($e->{allowed}, 'backups: allowed');
my $r = ask(class => 'back');
is("$r->{status} " . way($r), '200 a', 'backups: and so it is');

$e = explain(class => 'man');
is(noted($e, qr/^the backup models of class "man" wait for an operator/), 1,
   'gate: closed');
same_refusal($e, ask(class => 'man'), 'gate: closed');
my $port = Test::Nginx::Util::server_port();
HTTP::Tiny->new->post("http://127.0.0.1:$port/ai/classes/man/open",
                      { headers => { Authorization => 'Bearer s3cr3t' } });
$e = explain(class => 'man');
is(scalar @{ $e->{plan} }, 3, 'gate: open');
ok($e->{allowed}, 'gate: allowed');
turn($_, 'enable') for qw(b c);

turn('b', 'disable');
broken('c', 'status=429 retry_after=4', 1, model => 'lone');
$e = explain(model => 'lone', class => 'line');
is(noted($e,
   '^no account may be used now: the request waits in the queue '
   . 'of class "line", for up to 3000 ms$'),
   1, 'queue: said');
ok($e->{allowed}, 'queue: allowed');
$e = explain(model => 'lone', class => 'wait');
is(noted($e,
   '^no account may be used now: the request waits \d+ ms for '
   . 'the first that is back$'),
   1, 'wait: said');
is(ask(model => 'lone', class => 'wait')->{status}, 200, 'and so it is');
turn('b', 'enable');



=== TEST 11: keys
--- routes
ai_price * input=1 output=10;
ai_class batch { expose trail; }
ai_key free
    hash=sha256:ad95d5fa651ba86d8923fe1238d24a4f1988a752acfe426ac72ac7c04471bc17;
ai_key few
    hash=sha256:fa95e5080882f52bd40ccab2dee9c88c4d1fad7ad1093f93a0edcd8fb42d2bee
    models=m,x* classes=batch;
ai_key off
    hash=sha256:b4dc66dde806261bdda8607d8707aa727d308cd80272381a5583f63899918467
    disabled;
ai_key old
    hash=sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4
    expires=2020-01-01T00:00:00Z;
ai_key two
    hash=sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3
    requests=2r/h tokens=100kt/h concurrent=9
       budget=1usd/day;
ai_key one
    hash=sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed
    concurrent=1;
ai_key poor
    hash=sha256:4e3795d05d9d3ed261ea49f6f8a047f90cc05a4436d187bb0bd28848561a571c
    budget=0.000001usd/day;
ai_route m { target a; }
ai_route other { target b; }
--- check
sub as { my ($name, %o) = @_;
         return (head => "Authorization: Bearer $name\r\n", %o) }

my $e = explain();
ok($e->{allowed}, 'no key is named');
is(noted($e, qr/^no key is named/), 1, 'no key is named: said');

$e = explain(key_id => 'free');
is("$e->{key_id} $e->{class}", 'free default', 'a key');
ok($e->{allowed}, 'a key: allowed');

$e = explain(key_id => 'few');
is($e->{class}, 'batch', 'its class');
ok($e->{allowed}, 'its class: allowed');
same_refusal(explain(key_id => 'few', class => 'default'),
             ask(as('few', class => 'default')), 'class_not_allowed');
same_refusal(explain(key_id => 'few', class => 'none'),
             ask(as('few', class => 'none')), 'unknown class of a key');
same_refusal(explain(key_id => 'few', model => 'other'),
             ask(as('few', model => 'other')), 'model_not_allowed');
same_refusal(explain(key_id => 'few', model => 'xyz'),
             ask(as('few', model => 'xyz')), 'model_not_found');
is(explain(key_id => 'few', model => 'xyz')->{route}, undef, 'no route');
same_refusal(explain(key_id => $_), ask(as($_)), $_) for qw(off old);

my $answer = explain_raw(model => 'm', key_id => 'no<b>body');
is($answer->{status}, 404, 'an unknown key');
$e = $json->decode($answer->{content})->{error};
is("$e->{code}: $e->{message}",
   'key_not_found: there is no key "no<b>body"', 'in words');

# what only asks does not use it up
explain(key_id => 'two') for 1 .. 20;
$e = explain(key_id => 'two');
is_deeply([map { [@{$_}{qw(what per limit used)}] } @{ $e->{limits} }],
          [['requests', 'hour', 2, 0], ['tokens', 'hour', 100000, 0],
           ['concurrent', undef, 9, 0],
           ['budget', 'day', 1000000000, 0]], 'its limits');
for my $left (1, 0) {
    my $r = ask(as('two', more => '"max_tokens":10,'));
    is("$r->{status} $r->{h}{'x-ratelimit-remaining-requests'}", "200 $left",
       "$left left");
    explain(key_id => 'two', max_tokens => 10) for 1 .. 5;
}
same_refusal(explain(key_id => 'two', max_tokens => 10),
             ask(as('two', more => '"max_tokens":10,')), 'requests');
is(order(explain(key_id => 'two', max_tokens => 10)), 'a',
   'requests: the plan is there');
is(explain(key_id => 'two')->{limits}[0]{used}, 2, 'requests: used');

ok(explain(key_id => 'one')->{allowed}, 'concurrent: allowed');
provider_fault('a', 'delay=3000');
my $q = open_request(as('one'));
ok(wait_for(2, sub { explain(key_id => 'one')->{limits}[0]{used} == 1 }),
   'concurrent: one runs');
same_refusal(explain(key_id => 'one'), ask(as('one')), 'concurrent');
answer($q);
ok(wait_for(5, sub { explain(key_id => 'one')->{allowed} }),
   'concurrent: allowed again');
provider_fault('a', '');

same_refusal(explain(key_id => 'poor', max_tokens => 100),
             ask(as('poor', more => '"max_tokens":100,')), 'money');



=== TEST 12: 1,000 explanations change nothing
--- accounts
ai_breaker failures=2 rate=100 open=1s max_open=1s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_limit requests=50r/h budget=1usd/day; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    ai_account provider=compatible base=http://c/v1; }
--- routes
ai_price * input=1 output=1;
ai_key k
    hash=sha256:96efbc43a462ab9d9c6a8173e5b322e17f218b56eb3a05a4bbc53221adebc7b3
    requests=50r/h budget=1usd/day;
ai_route m { target a weight=3; target b weight=2; target c; }
ai_route cost { balance least_cost; target a; target b; target c; }
ai_route away { target a; target b tier=2; }
--- check
my @auth = (head => "Authorization: Bearer kkk\r\n");

# a probe of a is due, and the others have some turns behind them
broken('a', '500', 2, model => 'away', @auth);
ask(@auth, model => $_) for qw(m cost m cost m);
sleep 1.3;

my @of = (['m'], ['cost'], ['away']);
my @ask = map { { model => $_->[0], key_id => 'k' } } @of;
my @before = map { $json->canonical->encode(explain(%$_)) } @ask;
my ($next, $cheap) = map { order($json->decode($_)) } @before;
my $asked = join ' ', map { requests($_) } qw(a b c);

my $http = HTTP::Tiny->new(keep_alive => 1);
my $base = 'http://127.0.0.1:' . Test::Nginx::Util::server_port();
my $bad = 0;
for my $i (1 .. 1000) {
    my $model = $of[$i % @of][0];
    $bad++ unless $http->get("$base/ai/explain?model=$model&key_id=k")
                       ->{success};
}
is($bad, 0, 'all are answered');

my @after = map { $json->canonical->encode(explain(%$_)) } @ask;
# what refills is time's doing
s/"used":\d+/"used":N/g for @before, @after;
is_deeply(\@after, \@before, 'and alike');
is(join(' ', map { requests($_) } qw(a b c)), $asked, 'nobody was asked');

is(order(explain(model => 'away')), 'a,b', 'the probe is due still');
is(way(ask(@auth, model => 'away')), 'a', 'and given to the next request');
for ([m => $next], [cost => $cheap]) {
    my $way = way(ask(@auth, model => $_->[0]));
    like($_->[1], qr/^$way/, "$_->[0]: the turn is what it was");
}



=== TEST 13: parameters, methods
--- routes
ai_route m { target a; }
--- check
for (['', 'model'], ['model=', 'model'], ['class=default', 'model'],
     ['model=' . 'x' x 257, 'model'], ['model=a%0ab', 'model'],
     ['model=m&class=', 'class'], ['model=m&key_id=', 'key_id'],
     ['model=m&stream=2', 'stream'], ['model=m&stream=yes', 'stream'],
     ['model=m&stream=', 'stream'],
     ['model=m&endpoint=models', 'endpoint'],
     ['model=m&endpoint=', 'endpoint'], ['model=m&endpoint=x', 'endpoint'],
     ['model=m&input_tokens=', 'input_tokens'],
     ['model=m&input_tokens=-1', 'input_tokens'],
     ['model=m&input_tokens=1000000001', 'input_tokens'],
     ['model=m&input_tokens=99999999999999999999', 'input_tokens'],
     ['model=m&max_tokens=1.5', 'max_tokens'])
{
    my ($query, $name) = @$_;
    my $answer = explain_raw(query => $query);
    my $e = $json->decode($answer->{content})->{error};
    is("$answer->{status} $e->{code}", '400 invalid_request_error',
       "\"$query\": status");
    like($e->{message}, qr/"$name"/, "\"$query\": named");
}

my $answer = explain_raw(model => 'm', input_tokens => 1000000000,
                         max_tokens => 0, method => 'GET');
is($answer->{status}, 200, 'the most');
like($answer->{headers}{'content-type'}, qr{^application/json}, 'JSON');
is($answer->{headers}{'cache-control'}, 'no-store', 'not cached');
$answer = explain_raw(model => 'm', method => 'HEAD');
is("$answer->{status} " . ($answer->{content} // ''), '200 ', 'HEAD');
$answer = explain_raw(model => 'm', method => 'POST');
is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD', 'POST');
is(explain_raw(model => 'none')->{status}, 200, 'an unknown model is told of');
same_refusal(explain(model => 'none'), ask(model => 'none'), 'model_not_found');



=== TEST 14: hostile names
--- routes
ai_route * { target a; }
--- check
my $raw = explain_raw(model => "\xff\xfe\x80");
is($raw->{status}, 400, 'a model is UTF-8');

# the names of classes and keys may be anything
for my $name ("\xff\xfe\x80", 'a"b') {
    $raw = explain_raw(model => 'm', class => $name);
    is($raw->{status}, 200, 'class: status');
    ok(utf8::decode(my $copy = $raw->{content}), 'class: UTF-8');
    ok(eval { $json->decode($raw->{content})->{refusal}{message} },
       'class: JSON');
    $raw = explain_raw(model => 'm', key_id => $name);
    is($raw->{status}, 404, 'key: status');
    ok(utf8::decode($copy = $raw->{content}), 'key: UTF-8');
}

for my $name ('<script>alert(1)</script>', '"},{"x":"',
              'a\\u0000', "\xe2\x80\xa8", '{{7*7}}', '%s%n%V', '../../x')
{
    $raw = explain_raw(model => $name, class => $name);
    is($raw->{status}, 200, 'status');
    my $e = eval { $json->decode($raw->{content}) };
    ok($e && !$e->{allowed}, 'is JSON') or diag($raw->{content});
    unlike($raw->{content}, qr/[\x00-\x1f]/, 'no control characters');
    ok(utf8::decode(my $copy = $raw->{content}), 'is UTF-8');
    is(scalar(() = $raw->{content} =~ /<script/g), 0, 'no markup')
        if $name =~ /script/ && $raw->{content} =~ /\\u003c/;
    $raw = explain_raw(model => $name, key_id => $name);
    is($raw->{status}, 404, 'as a key');
    ok(eval { $json->decode($raw->{content}) }, 'as a key: is JSON');
    $raw = explain_raw(model => $name);
    ok(eval { order($json->decode($raw->{content})) eq 'a' }, 'planned');
}
