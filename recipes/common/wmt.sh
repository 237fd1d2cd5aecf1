# shellcheck shell=bash
# The training corpora and test sets of WMT, from their official addresses. Sourced, after fetch.sh. In DOWNLOADS and in SOURCE,
# files are in the folder of their year (wmt13/training-parallel-europarl-v7.tgz).
#
# shellcheck disable=SC2154  # fetch.sh sets text and downloads
# Checksums of training corpora are from tensorflow_datasets' url_checksums, those of test sets from sacrebleu.
statmt=${STATMT_URL:-https://www.statmt.org} statmt_data=${STATMT_DATA_URL:-https://data.statmt.org}
europarl_v7=${EUROPARL_V7_URL:-$statmt/wmt13/training-parallel-europarl-v7.tgz}             # 657,632,379 bytes
commoncrawl=${COMMONCRAWL_URL:-$statmt/wmt13/training-parallel-commoncrawl.tgz}             # 918,311,367
un=${UN_URL:-$statmt/wmt13/training-parallel-un.tgz}
news_v9=${NEWS_V9_URL:-$statmt/wmt14/training-parallel-nc-v9.tgz}                           # 80,418,416
news_v11=${NEWS_V11_URL:-$statmt_data/wmt16/translation-task/training-parallel-nc-v11.tgz}  # 75,178,032
news_v13=${NEWS_V13_URL:-$statmt_data/wmt18/translation-task/training-parallel-nc-v13.tgz}  # 113,157,482
rapid2016=${RAPID2016_URL:-$statmt_data/wmt18/translation-task/rapid2016.tgz}               # 161,050,516
giga_fren=${GIGA_FREN_URL:-$statmt/wmt10/training-giga-fren.tar}                            # 2,595,102,720

sources=() targets=() # the files of the training corpora, in the source and the target language
corpus() { # corpus NAME SRC TGT: fetch and unpack a corpus, and add its files to $sources and $targets
    local url file checksum member suffix=
    case $1 in
        europarl-v7)
            url=$europarl_v7 file=wmt13/training-parallel-europarl-v7.tgz member=training/europarl-v7
            checksum=sha256:0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7 ;;
        commoncrawl)
            url=$commoncrawl file=wmt13/training-parallel-commoncrawl.tgz member=commoncrawl
            checksum=sha256:c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5 ;;
        un) url=$un file=wmt13/training-parallel-un.tgz member=un/undoc.2000 checksum= ;;
        news-v9)
            url=$news_v9 file=wmt14/training-parallel-nc-v9.tgz member=training/news-commentary-v9
            checksum=sha256:cb8953f292298e6877ae433c98912b927cb0766b303f4540512ddd286c748485 ;;
        news-v11)
            url=$news_v11 file=wmt16/training-parallel-nc-v11.tgz member=training-parallel-nc-v11/news-commentary-v11
            checksum=sha256:cfe8ab047e05043476e498ee765c98e939c7b7d6d294e856344c84476b619d6a ;;
        news-v13)
            url=$news_v13 file=wmt18/training-parallel-nc-v13.tgz member=training-parallel-nc-v13/news-commentary-v13
            checksum=sha256:17992b7e919cfb754c60f4e754148bc23b80706ad0ed7b34150831a554b40c91 ;;
        rapid2016)
            url=$rapid2016 file=wmt18/rapid2016.tgz member=rapid2016
            checksum=sha256:41557dd5d8f0ed3a6d98bce3b798b1a9d3b68361eb99d902329ddbb943a6b55a ;;
        giga-fren) url=$giga_fren file=wmt10/training-giga-fren.tar member=giga-fren.release2.fixed suffix=.gz checksum= ;;
    esac
    # English is always the second language in the name of a corpus.
    local pair=.$2-$3
    [ "$2" != en ] || pair=.$3-$2
    [ "$1" != giga-fren ] || pair=
    fetch "$url" "$file" "$checksum" "The WMT sites list it: www.statmt.org/wmt18/translation-task.html and earlier years."
    unpack "$downloads/$file" "$member$pair".{"$2","$3"}$suffix
    sources+=("$text/original/$member$pair.$2$suffix")
    targets+=("$text/original/$member$pair.$3$suffix")
}

newstest() { # newstest YEAR SRC TGT [NAME]: write the test set of a year to $text/NAME (default: newstestYEAR); SRC is English
    local year=$1 site=$statmt/wmt${1#20} folder=test member checksum file
    local name=${4:-newstest$year} pair=$2$3
    file=test.tgz
    case $year in
        2010) checksum=md5:491cb885a355da5a23ea66e7b3024d5c ;;
        2011) checksum=md5:b0c9680adf32d394aefc2b24e3a5937e folder= ;;
        2012) checksum=md5:608232d34ebc4ba2ff70fead45674e47 ;;
        2013) checksum=md5:48eca5d02f637af44e85186847141f67 ;;
        # the full set of 3,003 sentences, not the 2,737 sentences of the evaluation
        2014) checksum=md5:a8cd784e006feb32ac6f3d9ec7eb389a file=test-full.tgz folder=test-full pair=$3$2 ;;
        2015) checksum=md5:67e3beca15e69fe3d36de149da0a96df ;;
        2016) checksum=md5:3d809cd0c2c86adb2c67034d15c4e446 ;;
        2017) checksum=md5:86a1724c276004aa25455ae2a04cef26 ;;
        2018) checksum=md5:f996c245ecffea23d0006fa4c34e9064 ;;
        2019) checksum=md5:84de7162d158e28403103b01aeefc39a folder=sgm ;;
        *) die "newstest $year: expected 2010 to 2019" ;;
    esac
    [ "$year" -lt 2016 ] || site=$statmt_data/wmt${1#20}/translation-task
    fetch "$site/$file" "wmt${year#20}/$file" "$checksum" \
        "sacrebleu downloads the same file: sacrebleu -t wmt${year#20} -l $2-$3 --echo src, then look in ~/.sacrebleu."
    if [ "$year" -lt 2014 ]; then
        member=(${folder:+"$folder/"}newstest"$year"-src.{"$2","$3"}.sgm)
    else
        member=("$folder/newstest$year-$pair-src.$2.sgm" "$folder/newstest$year-$pair-ref.$3.sgm")
    fi
    unpack "$downloads/wmt${year#20}/$file" "${member[@]}"
    run python -m recipes.common.data.parallel "$text/$name" "$2" "$3" \
        --source "$text/original/${member[0]}" --target "$text/original/${member[1]}"
}
