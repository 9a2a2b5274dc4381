# Copyright (C) nginx-ai-route contributors

# The log_format of conf-examples/multi-provider.conf, which is that of
# docs/variables.md: every line is JSON in UTF-8, whatever a client sends.

use lib 't/lib';
use AIRoute providers => [qw(a)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Encode ();
use JSON::PP ();

my $tmp = tmp_dir();
my ($format) = slurp('conf-examples/multi-provider.conf')
               =~ /^(    log_format ai_json .*?;\n)/ms;

check_blocks(http => <<"END", reset => ['a'], perl => sub { eval shift },
$format
ai_usage off;
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
ai_route * { target a; }
END
             location => "access_log $tmp/ai.log ai_json;",
             before => sub { truncate "$tmp/ai.log", 0 });

# the line of a request, as it is read by others
sub logged {
    my ($r, $what) = @_;
    my @line;

    wait_for(3, sub { @line = split /\n/, slurp_lines("$tmp/ai.log"); @line });
    is(scalar @line, 1, "$what: one line");
    truncate "$tmp/ai.log", 0;

    my $text = eval { Encode::decode('UTF-8', "$line[0]", Encode::FB_CROAK) };
    ok(defined $text, "$what: UTF-8");
    my $fields = eval { JSON::PP->new->decode($text) };
    is(ref $fields, 'HASH', "$what: JSON") or diag($line[0]);
    return $fields || {};
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: all variables, and those of the documentation
--- check
my $doc = slurp('docs/variables.md');
my $text = $format =~ s/^    //gmr;
cmp_ok(index($doc, $text), '>', 0, 'the documentation has the same');
my @var = slurp('src/ngx_http_ai_var.c') =~ /ngx_string\("(ai_\w+)"\)/g;
cmp_ok(scalar @var, '>', 20, 'variables');
for (@var) {
    like($format, qr/\$$_\b/, "\$$_ is in it");
    like($doc, qr/^\| `\$$_` \|/m, "\$$_ is documented");
}
is_deeply([sort $doc =~ /^\| `\$(ai_\w+)` \|/mg], [sort @var], 'and no others');



=== TEST 2: a served request, and refused ones
--- check
my $f = logged(ask(model => 'gpt', stream => 1), 'served');
is_deeply([@{$f}{qw(status model served_model account attempts outcome
                    fallback error_class team)}],
          ['200', 'gpt', 'gpt', 'a', '1', 'ok', 'none', '', ''], 'fields');
like($f->{trace_id}, qr/^[0-9a-f]{32}$/, 'trace_id');
like($f->{parent_id}, qr/^[0-9a-f]{16}$/, 'parent_id');
$f = logged(ask(body => 'no JSON'), 'refused');
is_deeply([@{$f}{qw(status outcome account ttft_ms)}],
          ['400', 'rejected', '', ''], 'absent ones are empty');
$f = logged(ask(head => "Content-Length: 99999999\r\n"), 'by nginx');
is($f->{status}, '413', 'nginx itself');



=== TEST 3: hostile model names
--- check
my %name = (
    'quotes'       => ['a\"},\"outcome\":\"ok', 'a"},"outcome":"ok'],
    'backslash'    => ['a\\\\', 'a\\'],
    'HTML'         => ['</script><script>', '</script><script>'],
    'right to left' => ['a\u202eb', "a\x{202e}b"],
    'UTF-8'        => ["\xc3\xa4", "\xe4"],
    'format'       => ['%s%n${x}', '%s%n${x}'],
);
for my $what (sort keys %name) {
    my ($sent, $want) = @{ $name{$what} };
    my $f = logged(ask(model => $sent), $what);
    is($f->{model}, $want, "$what: as it was");
    is($f->{outcome}, 'ok', "$what: outcome");
}

# these are no names
for my $bad ('a\n', 'a\u0000', 'a\u009b31m', "a\xff", "a\xc3", "\xed\xa0\x80") {
    my $what = $bad =~ s/[^ -~]/./gr;
    my $f = logged(ask(model => $bad), $what);
    is_deeply([@{$f}{qw(status model)}], ['400', ''], "$what: refused");
}
my $f = logged(ask(body => '{"messages":[]}',
                   head => "X-AI-Model: a\xff\r\n"), 'by header');
is_deeply([@{$f}{qw(status model)}], ['400', ''], 'by header: refused');
$f = logged(ask(body => '{"messages":[]}',
                head => "X-AI-Model: a\"b\xc3\xa4\r\n"), 'by header');
is($f->{model}, "a\"b\xe4", 'by header: as it was');

# other things that a client may say
for my $head ("X-Request-ID: \"\xff", "X-AI-Class: \"\xff",
              "Authorization: Bearer \"\xff", "traceparent: \"\xff") {
    my $what = $head =~ s/[^ -~]/./gr;
    logged(ask(head => "$head\r\n"), $what);
}
