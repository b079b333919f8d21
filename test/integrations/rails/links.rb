# frozen_string_literal: true

# Prints the milliseconds for 500 links, and the number of different links, as JSON.

count = 500
private_service = ActiveStorage::Blob.services.fetch(:private)
disk = ActiveStorage::Service.configure(:disk, { disk: { service: "Disk", root: private_service.root } })
ActiveStorage::Current.url_options = { host: "localhost" }
blobs = Array.new(count) do |number|
  ActiveStorage::Blob.new(filename: "invoice-#{number}.pdf", content_type: "application/pdf")
end

ways = { "url of the service Disk" => disk, "url of the service Postern" => private_service }
figures = ways.transform_values do |service|
  link = ->(blob) { service.url(blob.key, expires_in: 300, filename: blob.filename, content_type: blob.content_type, disposition: :inline) }
  link.call(blobs.first)
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  links = blobs.map(&link)
  { ms: ((Process.clock_gettime(Process::CLOCK_MONOTONIC) - began) * 1000).round(1), links: links.uniq.size }
end
print figures.to_json
