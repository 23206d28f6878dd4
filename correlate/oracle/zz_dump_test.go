package oracle_test
import ("testing";"os";"encoding/json";"strconv";"repwatch/correlate/oracle")
func TestZZDump(t *testing.T){
 d:=os.Getenv("DUMP"); if d=="" {t.Skip()}
 s,_:=oracle.ScenarioNamed(os.Getenv("SC")); seed,_:=strconv.Atoi(os.Getenv("SEED"))
 size:=oracle.Year; if os.Getenv("SMALL")!="" {size=oracle.Size{IPs: 6, Partners: 24, Lists: 20, Days: 364.5}}
 ev,tr:=oracle.Simulate(s,size,uint64(seed))
 f,_:=os.Create(d+"/events.jsonl"); e:=json.NewEncoder(f); for _,x:=range ev {e.Encode(x)}; f.Close()
 f,_=os.Create(d+"/truth.json"); json.NewEncoder(f).Encode(tr); f.Close()
}
