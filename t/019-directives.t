# Copyright (C) nginx-ai-route contributors

# docs/directives.md against the tables and constants of the source: contexts,
# names of parameters and statements, defaults; its table of providers and that
# of docs/endpoints.md.

use strict;
use warnings;

use lib 't/lib';
use AIRoute;
use AIDocs;
use Test::More;

my $page = slurp(root() . '/docs/directives.md');
my $source = join "\n", map { slurp($_) }
                        glob(root() . '/src/*.[ch]'),
                        glob(root() . '/src/pure/*.[ch]');
my %section;

for my $part (split /^(?=#{2,3} )/m, $page) {
    $section{$1} = $part if $part =~ /^#{2,3} (\w+)\n/;
}


# --- contexts ----------------------------------------------------------------

my %context = (MAIN => 'http', SRV => 'server', LOC => 'location',
               UPS => 'upstream');

while ($source =~ /\{ ngx_string\("(ai_\w+)"\),\n\s+((?:NGX_HTTP_\w+_CONF\|)+)/g)
{
    my ($name, $flags) = ($1, $2);
    my ($shown) = $section{$name} =~ /^Context:\s+(.*)/m;

    is(join(' ', sort split /, */, $shown),
       join(' ', sort map { $context{$_} // () }
                      $flags =~ /NGX_HTTP_(\w+?)_CONF/g),
       "$name: its context");
}


# --- names -------------------------------------------------------------------

sub table {
    my ($name) = @_;
    my ($text) = $source =~ /\b\Q$name\E\[\] =\s*\{(.*?)\n\};/s;

    return $text // '';
}


sub strings { return $_[0] =~ /ngx_string\("([^"]+)"\)/g }


# of the block with Syntax: what has a "=" behind it, and words alone

sub syntax {
    my ($text) = $section{ $_[0] } =~ /^Syntax:(.*?)^Default:/ms;

    return $text =~ /(\w+=)/g;
}


# the first column of the section's tables

sub rows {
    my ($directive) = @_;

    return map { /`([\w]+=?)[^`]*`/g }
           $section{$directive} =~ /^\| (`[^|]*?) \|/gm;
}

sub set {
    my %seen = map { $_ => 1 } @_;

    return join ' ', sort keys %seen;
}

my $sink = table('ngx_http_ai_sink_params');
my $redis = table('ngx_http_ai_redis_params');
my $prices = table('ngx_http_ai_conf_price_table');

my %names = (
    ai_account => [strings(table('ngx_http_ai_account_params'))],
    ai_breaker => [strings(table('ngx_http_ai_conf_breaker_params'))],
    ai_limit => [strings(table('ngx_http_ai_conf_limit_params'))],
    ai_health_check => [strings(table('ngx_http_ai_conf_check_params'))],
    ai_usage => [strings($sink), strings($redis)],
    ai_price => [map { s/=*$/=/r } strings($prices)],
    target => [strings(table('ngx_http_ai_conf_target_table'))],
);

for my $directive (sort keys %names) {
    my $known = set(grep { /=$/ } @{ $names{$directive} });

    isnt($known, '', "$directive: its parameters are found in the source");
    is(set(syntax($directive)), $known, "$directive: parameters in Syntax");
    is(set(grep { /=$/ } rows($directive)), $known,
       "$directive: parameters in the table");
}

my @statements = strings(table('ngx_http_ai_conf_class_words'));

cmp_ok(scalar @statements, '>=', 20, 'statements of ai_class are found');
is(set(grep { !/=$/ } $section{ai_class} =~ /^\| `(\w+)` \|/gm),
   set(@statements), 'ai_class: statements in the table');


# --- providers and their endpoints --------------------------------------------

my $endpoints = slurp(root() . '/docs/endpoints.md');
my %family = (TRANSCRIBE => 'transcriptions', GEMINI => 'generate_content',
              BEDROCK => 'converse');

for my $file (glob root() . '/src/pure/providers/*.c') {
    my $text = slurp($file);
    my ($name) = $text =~ /\.name = ngx_string\("(\w+)"\)/;
    my ($bits) = $text =~ /\.endpoints = (.*?),\n/s;
    my ($row) = $section{ai_account} =~ /^\| `\Q$name\E` \| [^|]* \| (.*) \|$/m;

    is($row, join(', ', map { $family{$_} // lc } $bits =~ /EP_(\w+)/g),
       "provider=$name: its endpoints");
}

my $table = table('ngx_http_ai_endpoints');
my $paths = 0;

while ($table =~ /\{\ ngx_string\("([^"]+)"\),\s+ngx_string\("(\w+)"\),
                  \s+NGX_HTTP_AI_EP_(\w+),/gx)
{
    my ($path, $name, $bit) = ($1, $2, $family{$3} // lc $3);
    my ($last) = $path =~ m{([^/:{}*]+)[/*]*$};
    my ($row) = grep { /`[^`]*\Q$last\E[^`]*`/ && /\| \Q$bit\E \|$/ }
                $endpoints =~ /^(\| `.*)$/gm;

    $paths++;
    next if $bit eq 'models';
    ok($row, "endpoints.md: $path, family $bit");
}

cmp_ok($paths, '>=', 30, 'endpoints are found in the source');


# --- defaults ----------------------------------------------------------------

sub constant {
    my ($name) = @_;
    my ($value) = $source =~ /^#define \Q$name\E\s+(\S[^\/\n]*)/m;

    die "no $name\n" unless defined $value;
    return $value =~ /"/ ? $value =~ s/["\s]//gr : eval $value;
}


# the second column of the row that begins with this word

sub default {
    my ($directive, $name) = @_;
    my ($row) = $section{$directive} =~ /^\| `\Q$name\E[^`]*` \| ([^|]*?) \|/m;

    return $row // "no row of $name";
}


# what a time, a size or a number is written like

sub written {
    my ($value, $unit) = @_;

    return $value unless $unit;
    return '`off`' if $unit eq 'off' && $value == 0;
    return "`$value`" if $unit eq 'number';
    return sprintf '`%d%s`', $value >= 1 << 30 ? ($value >> 30, 'g')
                                               : ($value >> 20, 'm')
        if $unit eq 'size';
    return sprintf '`%gs`', $value / 1000;
}

my %breaker = (
    'failures=' => [FAILURES => 'number'], 'rate=' => [RATE => 'number'],
    'min=' => [MIN => 'number'], 'window=' => [WINDOW => 'time'],
    'open=' => [OPEN => 'time'], 'max_open=' => [MAX_OPEN => 'time'],
    'ramp=' => [RAMP => 'time'],
);
my $health = slurp(root() . '/docs/health.md');
my ($line) = $section{ai_breaker} =~ /^Default:\s+(.*?);/ms;

for my $name (sort keys %breaker) {
    my ($constant, $unit) = @{ $breaker{$name} };
    my $value = written(constant("NGX_HTTP_AI_BREAKER_DEF_$constant"), $unit);

    is(default('ai_breaker', $name), $value, "ai_breaker: default of $name");
    like($line, qr/\b\Q$name\E@{[$value =~ tr{`}{}dr]}(?=\s|$)/,
         "ai_breaker: $name in its Default");
    like($health, qr/^\| `\Q$name\E` \| \Q$value\E \|/m,
         "health.md: default of $name");
}

is(default('ai_health_check', 'interval='),
   written(constant('NGX_HTTP_AI_CHECK_INTERVAL'), 'time'),
   'ai_health_check: default of interval=');
is(default('ai_health_check', 'timeout='),
   written(constant('NGX_HTTP_AI_CHECK_TIMEOUT'), 'time'),
   'ai_health_check: default of timeout=');

is(default('ai_usage', 'stream='),
   '`' . constant('NGX_HTTP_AI_SINK_STREAM') . '`', 'ai_usage: stream=');
is(default('ai_usage', 'maxlen='),
   written(constant('NGX_HTTP_AI_SINK_MAXLEN'), 'number'), 'ai_usage: maxlen=');
is(default('ai_usage', 'queue='),
   written(constant('NGX_HTTP_AI_SINK_QUEUE'), 'size') . '; with `spool=` '
   . written(constant('NGX_HTTP_AI_SINK_SPOOL_QUEUE'), 'size'),
   'ai_usage: queue=');
is(default('ai_usage', 'spool_max='),
   written(constant('NGX_HTTP_AI_SINK_SPOOL_MAX'), 'size'),
   'ai_usage: spool_max=');

is(($section{ai_zone} =~ /^Default:\s+ai_zone ai (\w+);/m)[0],
   written(constant('NGX_HTTP_AI_ZONE_DEFAULT'), 'size') =~ tr/`//dr,
   'ai_zone: its size');

# classes begin with these
my ($begin) = $source =~ /^ngx_http_ai_conf_class_add\(.*?\n\}\n/ms ? $& : '';
my %class = $begin =~ /class->(\w+) = (-?\w+);/g;
my %unit = (
    (map { $_ => 'time' } qw(deadline connect send first_token stall max_wait)),
    (map { $_ => 'off' } qw(first_byte max_duration queue)),
    (map { $_ => 'number' } qw(attempts priority reserve_output hold)),
);

for my $name (sort keys %unit) {
    my $value = $class{$name} =~ /^[A-Z]/ ? constant($class{$name})
                                          : $class{$name};

    is(default('ai_class', $name), written($value, $unit{$name}),
       "ai_class: default of $name");
}

for my $name (grep { /^allow_/ } @statements) {
    is(default('ai_class', $name), $class{$name} ? '`on`' : '`off`',
       "ai_class: default of $name");
}

is(default('ai_class', 'retry_same'),
   '`' . lc($class{retry_same} =~ s/.*_//r) . '`',
   'ai_class: default of retry_same');
like($section{ai_class}, qr/`max=`, default \Q$class{queue_max}\E,/,
     'ai_class: default of max= of queue');

done_testing();
