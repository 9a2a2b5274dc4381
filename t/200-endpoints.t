# Copyright (C) nginx-ai-route contributors

# The endpoints whose model is no member of a JSON body: forms, paths, and what
# names no model at all but something that an account keeps.

use lib 't/lib';
use AIRoute redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIServer;

use JSON::PP ();

$ENV{"TEST_NGINX_$_"} = AIRoute::free_port() for qw(ONE TWO);

my $http = <<'END';
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0;
ai_class default { max_wait off; retry_same off; }
ai_class only    { accounts two; max_wait off; }
upstream one { server 127.0.0.1:$TEST_NGINX_ONE;
    ai_account provider=compatible base=http://one/v1; }
upstream two { server 127.0.0.1:$TEST_NGINX_TWO;
    ai_account provider=compatible base=http://two/base/v1; }
ai_route whisper-1 { target one model=whisper-large; target two tier=2; }
ai_route gem-* { target one model=models/g1; target two tier=2; }
ai_route both { target one; target two tier=2; }
ai_route second { target two; target one tier=2; }
END

my $tmp = tmp_dir();
my $json = JSON::PP->new->canonical;

# says what came, and gives it an id of the account's own
sub serve {
    my ($name, $n) = (@_, 0);

    own_server(uc $name, sub {
        my ($c, $raw) = @_;
        my ($head, $body) = split /\r\n\r\n/, $raw, 2;
        my ($line) = $head =~ /^(.*)\r/;
        my $status = -f "$tmp/$name.503" ? 503 : $line =~ /gone/ ? 404 : 200;
        if ($body =~ /"stream"/) {
            my $events = qq(data: {"response":{"id":"resp-$name-$$"}}\n\n)
                       . qq(data: {"type":"response.output_text.delta",)
                       . qq("delta":"x"}\n\n)
                       . qq(data: {"type":"response.completed",)
                       . qq("response":{"id":"other"}}\n\n);
            $events = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
                                   $events =~ /(.{1,20})/gs;
            syswrite $c, "HTTP/1.1 200 X\r\nContent-Type: text/event-stream"
                         . "\r\nTransfer-Encoding: chunked\r\n"
                         . "Connection: close\r\n\r\n${events}0\r\n\r\n";
            return;
        }

        my $echo = $json->encode({
            id => "thing-$name-$$", output_file_id => "file-out-$name-$$",
            line => $line, body => $body, head => $head,
            choices => [{ message => { content => 'x' } }] });

        syswrite $c, "HTTP/1.1 $status X\r\nContent-Type: application/json\r\n"
                     . 'Content-Length: ' . length($echo)
                     . "\r\nConnection: close\r\n\r\n$echo";
    });
}

sub said { $json->decode($_[0]{body}) }

sub form {
    my ($boundary, @parts) = @_;
    return join('', map { "--$boundary\r\nContent-Disposition: form-data; "
                          . $_ } @parts) . "--$boundary--\r\n";
}

sub multipart {
    my ($path, $body, @more) = @_;
    return ask(path => $path, body => $body, @more,
               type => 'multipart/form-data; boundary=XX');
}

check_blocks(http => $http, perl => sub { eval shift },
             config => 'location /v1beta/ { ai_pass; } '
                       . 'location /openai/ { ai_pass; }',
             before => sub {
                 unlink glob "$tmp/*.503";
                 AIRoute::redis_cli('FLUSHALL');
                 serve('one');
                 serve('two');
             });

no_long_string();
run_tests();

__DATA__

=== TEST 1: the model of a form, before the file and behind it
--- check
my $file = qq(name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n)
           . "RIFF\0\r\n--X\r\n" . 'x' x 3000 . "\r\n";
my $model = qq(name="model"\r\n\r\nwhisper-1\r\n);
for my $parts ([$model, $file], [$file, $model]) {
    my $r = multipart('/v1/audio/transcriptions', form('XX', @$parts));
    my $want = form('XX', @$parts);

    $want =~ s/whisper-1/whisper-large/;
    is($r->{status}, 200, 'served');
    is(said($r)->{line}, 'POST /v1/audio/transcriptions HTTP/1.1', 'path');
    ok(said($r)->{body} eq $want, 'the target has its own name');
    like(said($r)->{head}, qr{^Content-Type: multipart/form-data; boundary=XX\r}m,
         'type');
}
# over to the other account, which takes the client's name
spew("$tmp/one.503", '');
my $r = multipart('/v1/audio/translations', form('XX', $file, $model));
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'failover');
ok(said($r)->{body} eq form('XX', $file, $model), 'as it came');
is(said($r)->{line}, 'POST /base/v1/audio/translations HTTP/1.1', 'its base');



=== TEST 2: a large file, through nginx's own file
--- location
client_max_body_size 8m; client_body_buffer_size 8k;
--- check
my $file = qq(name="file"; filename="a"\r\n\r\n) . 'y' x 3_000_000 . "\r\n";
my $r = multipart('/v1/audio/transcriptions',
                  form('XX', $file, qq(name="model"\r\n\r\nwhisper-1\r\n)));
is($r->{status}, 200, 'served');
my $body = said($r)->{body};
is(length $body, length(form('XX', $file, qq(name="model"\r\n\r\nwhisper-large\r\n))),
   'length');
like($body, qr/name="model"\r\n\r\nwhisper-large\r\n--XX--\r\n\z/, 'replaced');



=== TEST 3: forms that are refused, and those that need a header
--- check
my @bad = (
    ['', 'ends before'],
    ["--XX--\r\n", 'names no model'],
    [form('XX', qq(name="model"\r\n\r\n\r\n)), '1 to 256 bytes'],
    [form('XX', qq(name="model"\r\n\r\n) . 'm' x 300 . "\r\n"), '1 to 256'],
    [form('XX', qq(name="model"\r\n\r\na\r\n), qq(name="model"\r\n\r\nb\r\n)),
     'comes twice'],
    [form('XX', qq(name="model"; filename=x\r\n\r\na\r\n)), 'is a file'],
    [form('XX', qq(name="stream"\r\n\r\nmaybe\r\n),
          qq(name="model"\r\n\r\nwhisper-1\r\n)), 'true or false'],
    ["x\r\n" . form('XX', qq(name="model"\r\n\r\na\r\n)), 'begin with'],
);
for (@bad) {
    my $r = multipart('/v1/audio/transcriptions', $_->[0]);
    is($r->{status}, 400, $_->[1]);
    like($r->{body}, qr/\Q$_->[1]/, 'says why');
}
my $r = multipart('/v1/audio/transcriptions',
                  form('XX', qq(name="language"\r\n\r\nde\r\n)),
                  head => "X-AI-Model: whisper-1\r\n");
is(said($r)->{body}, form('XX', qq(name="model"\r\n\r\nwhisper-large\r\n),
                          qq(name="language"\r\n\r\nde\r\n)),
   'the field is added');
$r = ask(path => '/v1/audio/transcriptions', body => '{}',
         type => 'multipart/form-data');
like($r->{body}, qr/no usable boundary/, 'no boundary');
$r = multipart('/v1/audio/transcriptions', form('XX'),
               head => "Content-Type: application/json\r\n");
like($r->{body}, qr/Content-Type.*twice/, 'two types');
$r = ask(path => '/v1/images/edits', model => 'both');
is(said($r)->{line}, 'POST /v1/images/edits HTTP/1.1', 'or JSON');



=== TEST 4: the model of a path
--- check
my $r = ask(path => '/v1beta/models/gem-1:generateContent?key=secret&x=1',
            body => '{"contents":[]}');
is($r->{status}, 200, 'served');
is(said($r)->{line},
   'POST /v1/models/models%2Fg1:generateContent?x=1 HTTP/1.1',
   'the target has its own name, escaped');
is(said($r)->{body}, '{"contents":[]}', 'the body as it came');
is($r->{h}{'x-ai-model'}, 'models/g1', 'told');
spew("$tmp/one.503", '');
$r = ask(path => '/v1beta/models/gem-%C3%A4%2Fb:countTokens', body => '{}');
is(said($r)->{line}, 'POST /base/v1/models/gem-%C3%A4%2Fb:countTokens HTTP/1.1',
   "the client's, escaped again");
$r = ask(path => '/openai/deployments/both/chat/completions?api-version=1',
         body => '{"messages":[]}');
is(said($r)->{line},
   'POST /base/v1/deployments/both/chat/completions?api-version=1 HTTP/1.1',
   "Azure's");
$r = ask(path => '/v1/model/both/converse', body => '{}');
is(said($r)->{line}, 'POST /base/v1/model/both/converse HTTP/1.1',
   "Amazon's");
is(ask(path => '/v1beta/models/none:generateContent', body => '{}')->{status},
   404, 'unknown');
for my $query ('', '?alt=json', '?x=alt=sse') {
    $r = ask(path => "/v1beta/models/gem-1:streamGenerateContent$query",
             body => '{"contents":[]}');
    is($r->{status}, 400, "a stream that is no event stream: '$query'");
    like(said($r)->{error}{message}, qr/"alt=sse" is needed/, 'said so');
}
is(ask(path => '/v1beta/models/gem-1:streamGenerateContent?alt=sse',
       body => '{"contents":[{"stream":1}]}')->{status}, 200, 'one that is');
is(ask(path => '/v1beta/models/gem-1:other', body => '{}')->{status}, 405,
   'another method of theirs');
my ($e) = grep { $_->{endpoint} eq 'generate_content' }
               usage_entries('ai:usage', 9);
is($e->{model_requested}, 'gem-1', 'recorded');



=== TEST 5: what an account keeps is asked for there
--- check
my $r = ask(path => '/v1/files', body => 'x', head => "X-AI-Account: two\r\n");
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'uploaded');
my $id = said($r)->{id};
for (['GET', ''], ['GET', '/content'], ['DELETE', '']) {
    my ($method, $more) = @$_;
    $r = ask(method => $method, path => "/v1/files/$id$more", body => '');
    is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', "$method$more");
    is(said($r)->{line}, "$method /base/v1/files/$id$more HTTP/1.1", 'path');
}
# a batch goes where its file is, and so does whoever asks for its result
$r = ask(path => '/v1/batches', body => qq({"input_file_id": "$id"}));
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'batch');
my $batch = said($r);
$r = ask(method => 'GET', path => "/v1/batches/$batch->{id}", body => '');
is($r->{h}{'x-ai-account'}, 'two', 'asked for');
$r = ask(method => 'GET', body => '',
         path => "/v1/files/$batch->{output_file_id}/content");
is($r->{h}{'x-ai-account'}, 'two', 'its output');
# a request with a model that both have
$r = ask(model => 'both',
         more => qq("x":[{"file":{"file_id":\n"$id"}}],));
is($r->{h}{'x-ai-account'}, 'two', 'a chat with the file');
is(ask(model => 'both')->{h}{'x-ai-account'}, 'one', 'and without');
$r = ask(model => 'both', more => qq("x":"\\"file_id\\":\\"$id\\"",));
is($r->{h}{'x-ai-account'}, 'one', 'what a client merely tells of');



=== TEST 6: the account is down: nobody else is asked
--- check
my $r = ask(path => '/v1/responses', model => 'second');
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'stored');
my $id = said($r)->{id};
$r = ask(path => '/v1/responses', model => 'both',
         more => qq("previous_response_id":"$id",));
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'goes on there');
$r = ask(method => 'GET', path => "/v1/responses/$id", body => '');
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'read');
spew("$tmp/two.503", '');
$r = ask(path => '/v1/responses', model => 'both',
         more => qq("previous_response_id":"$id",));
is("$r->{status} $r->{h}{'x-ai-account'} $r->{h}{'x-ai-attempts'}",
   '503 two 1', 'only that one');



=== TEST 7: what nobody knows
--- check
my $r = ask(method => 'GET', path => '/v1/files/file-unknown', body => '');
is($r->{status}, 404, 'two could have it');
like($r->{body}, qr/not known which account has.*X-AI-Account: one, two/,
     'says what to do');
$r = ask(method => 'GET', path => '/v1/files', body => '');
is($r->{status}, 400, 'a list');
like($r->{body}, qr/several accounts.*X-AI-Account: one, two/, 'of whom?');
$r = ask(method => 'GET', path => '/v1/files', body => '',
         head => "X-AI-Account: one\r\n");
is("$r->{status} $r->{h}{'x-ai-account'}", '200 one', 'of one');
is(said($r)->{line}, 'GET /v1/files HTTP/1.1', 'as it came');
$r = ask(method => 'GET', path => '/v1/files/file-unknown', body => '',
         class => 'only');
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', "the class's only one");
$r = ask(method => 'GET', path => '/v1/files', body => '', class => 'only',
         head => "X-AI-Account: one\r\n");
is($r->{status}, 400, 'not one of the class');
$r = ask(path => '/v1/files', body => 'x', head => "X-AI-Model: second\r\n");
is($r->{h}{'x-ai-account'}, 'two', 'for a model');
is(ask(method => 'PUT', path => '/v1/files', body => '')->{status}, 405, 'PUT');
is(ask(method => 'PUT', path => '/v1/files', body => '')->{h}{allow},
   'GET, HEAD, POST', 'Allow');
is(ask(method => 'HEAD', path => '/v1/files', body => '',
       head => "X-AI-Account: one\r\n")->{status}, 405, 'HEAD');



=== TEST 8: WebSocket
--- check
for (qw(/v1/realtime?model=both /v1/responses)) {
    my $r = ask(method => 'GET', path => $_, body => '',
                head => "Upgrade: websocket\r\n");
    is($r->{status}, 400, $_);
    like($r->{body}, qr/"code":"websocket_not_supported"/, 'says so');
}



=== TEST 9: no tokens are estimated for them
--- check
my $r = ask(path => '/v1/files', body => 'x' x 4000,
            head => "X-AI-Account: two\r\n");
$r = ask(path => '/v1/messages/count_tokens', model => 'both');
is($r->{status}, 200, 'counted');
for my $e (usage_entries('ai:usage', 2)) {
    is($e->{usage_source}, 'none', "$e->{endpoint}: none");
    ok(!exists $e->{input_tokens}, 'not even 0');
}



=== TEST 10: what an account does not have says nothing of the account
--- check
my $to = "X-AI-Account: one\r\n";
for (1 .. 3) {
    my $r = ask(method => 'GET', path => '/v1/files/gone', body => '',
                head => $to);
    is("$r->{status} $r->{h}{'x-ai-account'} $r->{h}{'x-ai-attempts'}",
       '404 one 1', "the provider's own answer");
    like($r->{body}, qr/"line":"GET/, 'as it came');
}
is(ask(method => 'GET', path => '/v1/files/here', body => '', head => $to)
       ->{status}, 200, 'and it is asked again');
is((grep { ($_->{error_class} // '') eq 'invalid_request' }
         usage_entries('ai:usage', 4))[0]{outcome}, 'error', 'recorded');



=== TEST 11: a streamed response is remembered, though its body is chunked
--- check
my $r = ask(path => '/v1/responses', model => 'second',
            more => '"stream":true,');
my ($id) = ($r->{body} // '') =~ /(resp-two-\d+)/;
ok($id, 'streamed');
$r = ask(method => 'GET', path => "/v1/responses/$id", body => '');
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'asked for there');
