# Copyright (C) nginx-ai-route contributors

# Budgets of keys, and the cheapest of several, where prices are per character,
# image or search: what a request asks for is held before it is sent.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();

my $http = ai_log() . <<'END';
ai_usage off;
ai_zone ai 1m;
ai_price tts character=0.0001;
ai_price picture image=0.01;
ai_price tokens input=0 output=1;
ai_price search query=0.01;
ai_class default { max_wait off; retry_same off; attempts 1; }
ai_class thrifty { max_wait off; retry_same off; allow_costlier off; }
ai_breaker failures=0 rate=100;
ai_key k hash=%HASH% budget=0.1usd/total;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_price tts character=0.00005;
    ai_price picture image=0.02; }
ai_route least-tts { target a model=tts; target b model=tts;
    balance least_cost; }
ai_route least-picture { target a model=picture; target b model=picture;
    balance least_cost; }
ai_route dear { target a model=picture; target b model=picture tier=2; }
ai_route * { target a; }
END

check_blocks(
    http => sub {
        my $hash = 'sha256:' . sha256_hex('s3cr3t');
        (my $conf = $http) =~ s/%HASH%/$hash/;
        return $conf;
    },
    reset => [qw(a b)],
    perl => sub { eval shift });

my %path = (speech => 'audio/speech', images => 'images/generations',
            rerank => 'rerank');

sub request {
    my ($endpoint, $model, $more, %o) = @_;

    return (path => "/v1/$path{$endpoint}",
            head => "Authorization: Bearer s3cr3t\r\n"
                    . ($o{sim} ? "X-Sim: $o{sim}\r\n" : ''),
            body => qq({"model":"$model"$more}),
            $o{class} ? (class => $o{class}) : ());
}

sub status { return ask(request(@_))->{status} }

sub input { return ',"input":"' . "\\u00e9" x $_[0] . '"' }

sub left {
    my $r = ask(request('images', 'picture', ',"n":1000'));

    is($r->{status}, 429, 'too many images');
    return JSON::PP::decode_json($r->{body})->{error}{message}
           =~ /, (\S+) usd are left of it/ ? $1 : '?';
}

# while the first one runs, is there money for the second?
sub beside {
    my ($first, $second) = @_;
    my $running = open_request(request(@$first));

    wait_for(3, sub { requests('a') }) or die "not there\n";

    my $status = status(@$second);
    is(answer($running)->{status}, 200, 'the first one');
    return $status;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: characters are held, and paid
--- check
is(left(), '0.1', 'all of it');
is(beside(['speech', 'tts', input(600), sim => 'delay=1500'],
          ['speech', 'tts', input(401)]), 429, 'one too many beside it');
is(left(), '0.04', 'paid as many as there were');
is(status('speech', 'tts', input(401)), 429, 'one too many');
is(status('speech', 'tts', input(400)), 200, 'all that is left');
is(left(), '0', 'nothing is left');



=== TEST 2: what fails is paid for by nobody
--- check
is(status('speech', 'tts', input(900), sim => '500'), 502, 'failed');
is(left(), '0.1', 'all of it');



=== TEST 3: images are held as asked for, and paid as there are
--- check
is(beside(['images', 'picture', ',"n":7', sim => 'delay=1500,usage=off'],
          ['images', 'picture', ',"n":4', sim => 'usage=off']), 429,
   'one too many beside it');
is(left(), '0.03', 'seven are paid');
is(status('images', 'picture', ',"n":4'), 429, 'four are too many');
is(status('images', 'picture', qq(,"n":$_)), 429, "$_ are too many")
    for '4.0', '"4"', '0.4e1';
is(status('images', 'picture', ',"n":"four"', sim => 'usage=off'), 200,
   'no number: one');
is(left(), '0.02', 'eight');
is(status('images', 'picture', ',"n":2', sim => 'content_type=image/png'),
   200, 'unread');
is(left(), '0', 'paid as asked for');



=== TEST 4: images in tokens: 1024 are held for each
--- check
# a dollar per million tokens: 0.001024 dollars hold an image
is(status('images', 'tokens', ',"n":98', sim => 'prompt=1,words=1'), 429,
   '98 are too many');
is(status('images', 'tokens', ',"n":97', sim => 'prompt=1,words=10'), 200,
   '97 are not');
is(left(), '0.09999', 'what was used is paid');



=== TEST 5: searches
--- check
is(beside(['rerank', 'search', '', sim => 'delay=1500'],
          ['images', 'picture', ',"n":10']), 429, 'held');
is(left(), '0.09', 'paid');



=== TEST 6: the cheapest, by the unit that is asked for
--- check
is(status('speech', 'least-tts', input(10)), 200, 'served') for 1 .. 5;
is(requests('b'), 5, 'a speech by b');
is(status('images', 'least-picture', '', sim => 'usage=off'), 200, 'served')
    for 1 .. 5;
is(requests('a'), 5, 'an image by a');



=== TEST 7: a class that spends no more than at the first tier
--- check
provider_fault('a', '429');
is(status('images', 'dear', '', class => 'thrifty'), 429, 'not by b');
is(requests('b'), 0, '... which is dearer');



=== TEST 8: images of a form, however their number is written
--- check
my $edit = sub {
    my $part = 'Content-Disposition: form-data; name=';
    return ask(path => '/v1/images/edits',
               type => 'multipart/form-data; boundary=XX',
               head => "Authorization: Bearer s3cr3t\r\nX-Sim: usage=off\r\n",
               body => "--XX\r\n${part}model\r\n\r\npicture\r\n"
                       . "--XX\r\n${part}n\r\n\r\n$_[0]\r\n--XX--\r\n");
};
is($edit->($_)->{status}, 429, "$_ are too many")
    for '11', '11.0', '1.1e1', '000000011', '1.' . '0' x 80,
        '1.' . '0' x 29 . 'e9';
is(left(), '0.1', 'all of it');
for ('', 'four', 'four ' x 20, '0', '-11', '1.0') {
    isnt($edit->($_)->{status}, 429, "\"$_\": one");
}
