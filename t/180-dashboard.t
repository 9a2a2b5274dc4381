# Copyright (C) nginx-ai-route contributors

# The page of ai_status: one document without anything from elsewhere, under a
# policy that names the hashes of its own parts.  What it does is tested in a
# browser: "make browser-test".

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use Digest::SHA qw(sha256_base64);
use HTTP::Tiny ();

$ENV{TEST_NGINX_ADMIN} = Digest::SHA::sha256_hex('s3cr3t');

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config', <<'END') unless defined $block->http_config;
    upstream a { server 127.0.0.1:1;
                 ai_account provider=vllm base=http://a/v1; }
    ai_route m { target a; }
END

    $block->set_value('config', <<'END') unless defined $block->config;
    location /v1/ { ai_pass; }
    location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }
    location /bare { ai_status; }
    location /zip/ { ai_status; gzip on; gzip_min_length 1; }
END
});

# with the padding that Digest::SHA leaves out
sub hash { "'sha256-" . sha256_base64($_[0]) . "='" }

my $page;

sub page {
    my $port = $ENV{TEST_NGINX_SERVER_PORT};

    return $page //= HTTP::Tiny->new->get("http://127.0.0.1:$port/ai/");
}

no_long_string();

add_response_body_check(sub {
    my ($block, $body) = @_;
    my $name = $block->name;

    return unless defined $block->page;

    my @style = $body =~ m{<style>(.*?)</style>}sg;
    my @script = $body =~ m{<script>(.*?)</script>}sg;
    my $policy = page()->{headers}{'content-security-policy'};

    is(scalar @style, 1, "$name: one style");
    is(scalar @script, 1, "$name: one script");
    cmp_ok(length $style[0], '>', 1000, "$name: with something in it");
    cmp_ok(length $script[0], '>', 1000, "$name: likewise");

    is($policy, "default-src 'none'; script-src " . hash($script[0])
                . "; style-src " . hash($style[0])
                . "; connect-src 'self'; frame-ancestors 'none'; "
                . "base-uri 'none'; form-action 'none'",
       "$name: the policy is that of this very page");

    (my $known = $body) =~ s{"http://www\.w3\.org/2000/svg"}{};
    unlike($known, qr{//[a-z0-9.-]+\.[a-z]}i, "$name: nothing of elsewhere");
    unlike($body, qr/<[^>]*\s(?:style|on\w+)\s*=/,
           "$name: no inline style or handler");
    unlike($body, qr/<[^>]*\s(?:src|srcset|data|action)\s*=/,
           "$name: no other resource");
    unlike($body, qr/innerHTML|outerHTML|insertAdjacent|document\.write/,
           "$name: nothing makes markup of text");
    unlike($body, qr/\beval\b|new Function|localStorage|sessionStorage|cookie/,
           "$name: no code from text, nothing is stored");
    like($body, qr{</html>\s*\z}, "$name: it is all there");
});

run_tests();

__DATA__

=== TEST 1: the page
--- request
GET /ai/
--- response_headers
Content-Type: text/html; charset=utf-8
Cache-Control: no-store
X-Content-Type-Options: nosniff
Referrer-Policy: no-referrer
--- page



=== TEST 2: without the slash, where the location has one
--- request
GET /ai?x=1
--- error_code: 301
--- response_headers_like
Location: http://[^/]+/ai/\?x=1



=== TEST 3: a location without a slash has it at both
--- request eval
["GET /bare", "GET /bare/"]
--- response_body_like eval
[qr{</html>}, qr{</html>}]



=== TEST 4: HEAD
--- request
HEAD /ai/
--- response_headers_like
Content-Length: \d{5,}
Content-Security-Policy: default-src 'none'; .*
--- response_body



=== TEST 5: other methods
--- request eval
["POST /ai/\nx=y", "DELETE /ai/", "PUT /bare\nx"]
--- error_code eval
[405, 405, 405]
--- response_headers eval
["Allow: GET, HEAD", "Allow: GET, HEAD", "Allow: GET, HEAD"]
--- response_body_like eval
[qr/"code":"method_not_allowed"/, qr/"code":"method_not_allowed"/,
 qr/"code":"method_not_allowed"/]



=== TEST 6: paths that are none
--- request eval
["GET /ai/index.html", "GET /ai/dashboard/app.js", "GET /ai/app.js",
 "GET /barely", "GET /ai/%00"]
--- error_code eval
[404, 404, 404, 404, 400]



=== TEST 7: no errors in the page's place
--- config
    location /ai/ { ai_status; deny all; }
--- request
GET /ai/
--- error_code: 403
--- response_body_unlike
<script>



=== TEST 8: compressed where nginx is told to
--- request
GET /zip/
--- more_headers
Accept-Encoding: gzip
--- response_headers
Content-Encoding: gzip
