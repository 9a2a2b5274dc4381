# Copyright (C) nginx-ai-route contributors

# A short t/tools/endurance: load while providers fail, Redis and workers are
# killed and the configuration is reloaded; every accepted request is recorded
# exactly once.  "make endurance REQUESTS=300000" is the long one.

BEGIN {
    for my $program (qw(redis-server python3)) {
        next if grep { -x "$_/$program" } split /:/, $ENV{PATH};
        print "1..0 # SKIP $program is not installed\n";
        exit;
    }
}

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

$ENV{PATH} .= ':/usr/sbin:/usr/local/sbin';
delete @ENV{qw(CONCURRENT KEEP LIMIT SEED)};
$ENV{NGINX} = $ENV{TEST_NGINX_BINARY} || 'nginx';
@ENV{qw(REQUESTS RATE EVERY)} = (3000, 250, 0.7);

# with a spool nothing has to be spared
my %modes = ('without a spool' => 0, 'with a spool' => 1);

for my $mode (sort keys %modes) {
    local $ENV{SPOOL} = $modes{$mode};
    my $begun = time();
    my $out = `t/tools/endurance 2>&1`;

    is($?, 0, "$mode: it ends well") or diag($out);
    like($out, qr/^sent +3000$/m, 'all were sent');
    like($out, qr/^accepted +(?:29|30)\d\d$/m, 'most are accepted');
    like($out, qr/^missing +0$/m, 'none is missing');
    like($out, qr/^requests .* [1-9]\d* lost with their worker$/m,
         'some lost their worker') unless $modes{$mode};
    like($out, qr/^costs +[1-9]\d{2,} recomputed/m, 'costs were recomputed');
    # those of keys; of what died, accounts have reserved less than keys
    like($out, qr/^budgets +(?:[4-7] agree, [0-3]) within/m, 'budgets, too');
    like($out, qr/$_=\d/, $_) for qw(redis_killed redis_stopped worker_killed
                                     all_killed reload);
    cmp_ok(time() - $begun, '<', 60, 'in time');
}

done_testing();
