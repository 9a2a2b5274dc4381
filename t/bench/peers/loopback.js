// Copyright (C) nginx-ai-route contributors
//
// For servers that offer no address to bind to: they listen on loopback alone.

'use strict';

const net = require('net');
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (first, ...rest) {
    if (typeof first === 'number') {
        const last = rest.filter((x) => typeof x === 'function');
        return listen.call(this, { port: first, host: '127.0.0.1' }, ...last);
    }
    if (first && typeof first === 'object' && first.port !== undefined) {
        return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
    }
    return listen.call(this, first, ...rest);
};
