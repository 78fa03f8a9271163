wrk.method = "POST"
wrk.path = "/empty"
wrk.body = '{"project":"github.com/acme/p1"}'
wrk.headers["Content-Type"] = "application/json"
