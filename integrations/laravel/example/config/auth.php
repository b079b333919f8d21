<?php

return [
    'defaults' => ['guard' => 'name'],
    'guards' => ['name' => ['driver' => 'name']],
];
