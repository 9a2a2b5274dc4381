# Copyright (C) nginx-ai-route contributors

# src/dashboard/words.js against the tables of the source: each name that the
# gateway can say has its words on the page, and the page has none besides.

use strict;
use warnings;

use lib 't/lib';
use AIRoute;
use AIDocs;
use Test::More;

my $words = slurp(root() . '/src/dashboard/words.js');
my $source = join "\n", map { slurp($_) }
                        glob(root() . '/src/*.c'),
                        glob(root() . '/src/pure/*.c');


# of "const NAME = { ... };"

sub page {
    my ($name) = @_;
    my ($text) = $words =~ /^const \Q$name\E = \{\n(.*?)\n\};/ms;

    return ($text // '') =~ /^    (\w+):/mg;
}


# of an array, or of the one in a function

sub gateway {
    my ($name) = @_;
    my ($text) = $source =~ /^\s*(?:static\ )?(?:const\ )?ngx_str_t\s+
                             \Q$name\E\[\w*\]\s=\s*\{(.*?)\n\};/msx;

    ($text) = $source =~ /^\Q$name\E\([^;]*?\)\n\{(.*?)^\}/ms
        unless defined $text;

    return ($text // '') =~ /\bngx_string\("(\w+)"\)/g;
}


sub verdicts { return $source =~ /^\s+\.name = ngx_string\("(\w+)"\),$/mg }


sub same {
    my ($name, $left_out, @gateway) = @_;
    my %out = map { $_ => 1 } @$left_out;

    cmp_ok(scalar @gateway, '>', 3, "$name: found in the source");
    is(join(' ', sort(page($name))),
       join(' ', sort(grep { !$out{$_} } @gateway)), "$name: the same names");
}


same('STATES', [], gateway('ngx_http_ai_health_names'));
same('BREAKERS', [], gateway('ngx_http_ai_breaker_state_names'));
# "never" is told as no reason
same('BREAKER_REASONS', ['never'],
     gateway('ngx_http_ai_breaker_reason_names'));
same('VERDICTS', [], verdicts());
same('OUTCOMES', [], gateway('ngx_http_ai_outcomes'));
same('FALLBACKS', [], gateway('ngx_http_ai_tally_fallback_words'));
same('WHYS', [], gateway('ngx_http_ai_why'));
# a healthy and a probed candidate are not excluded
same('REASONS', ['open', 'probing'], gateway('ngx_http_ai_route_reason'),
     gateway('ngx_http_ai_health_names'));
same('EVENTS', [], gateway('ngx_http_ai_events_names'));
same('FAULTS', ['none'], gateway('ngx_http_ai_faultspec_kinds'));

done_testing();
